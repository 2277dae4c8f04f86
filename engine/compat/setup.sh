#!/usr/bin/env bash
# Installs the clients that the compatibility tests drive, by their ordinary package managers:
#   kcat by apt, Apache Kafka's jars by Maven, kafkajs by npm, confluent-kafka for Python by pip (in a venv).
#
# usage: setup.sh [DIR]      DIR defaults to ${XDG_CACHE_HOME:-~/.cache}/logarium-compat, where the tests look too
#
# May be run again: what is there in the wanted version is left alone. Progress goes to stderr; stdout has nothing
# but `export NAME='value'` lines, so a caller can `eval "$(engine/compat/setup.sh DIR)"`.
# Needs: java and javac (17 or newer), mvn, node (18 or newer), npm, python3 with venv; apt-get (as root) for kcat alone.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
dir="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/logarium-compat}"
mkdir -p "$dir"
dir="$(cd "$dir" && pwd)"

say() { printf 'compat setup: %s\n' "$*" >&2; }
need() { command -v "$1" >/dev/null || { say "$1 is missing: install $2"; exit 1; }; }

# changed NAME FILE...: true unless the files are as they were when `done_with NAME` was last reached.
changed() {
  local name="$1"; shift
  cat "$@" | cksum > "$dir/.$name.new"
  ! cmp -s "$dir/.$name.new" "$dir/.$name.done"
}
done_with() { mv "$dir/.$1.new" "$dir/.$1.done"; }

setup_kcat() {
  command -v kcat >/dev/null && return
  say "kcat by apt-get"
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  { $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends kcat; } >&2
}

setup_java() {
  need java "a JDK, 17 or newer"
  need javac "a JDK, 17 or newer"
  changed java "$here/java/pom.xml" || return 0
  need mvn "Maven"
  say "Apache Kafka's jars by Maven"
  rm -rf "$dir/kafka-libs"
  mvn -q -B -f "$here/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$dir/kafka-libs" >&2
  done_with java
}

setup_node() {
  need node "Node.js, 18 or newer"
  changed node "$here/node/package.json" || return 0
  need npm "npm"
  say "kafkajs by npm"
  rm -rf "$dir/node"
  mkdir -p "$dir/node"
  cp "$here/node/package.json" "$dir/node/package.json"
  (cd "$dir/node" && npm install --no-package-lock --no-audit --no-fund --loglevel=error >&2)
  done_with node
}

setup_python() {
  need python3 "Python 3.9 or newer with venv"
  changed python "$here/python/requirements.txt" || return 0
  say "confluent-kafka by pip"
  [ -x "$dir/python/bin/python" ] || python3 -m venv "$dir/python"
  "$dir/python/bin/python" -m pip install -q --disable-pip-version-check -r "$here/python/requirements.txt" >&2
  done_with python
}

setup_kcat
setup_java
setup_node
setup_python

printf "export LOGARIUM_KAFKA_LIBS='%s'\n" "$dir/kafka-libs"
printf "export LOGARIUM_NODE_PATH='%s'\n" "$dir/node/node_modules"
printf "export LOGARIUM_PYTHON='%s'\n" "$dir/python/bin/python"
printf "export LOGARIUM_KCAT='%s'\n" "$(command -v kcat)"
