package compat

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// installed is the folder that setup.sh installs into by default.
func installed(elem ...string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(append([]string{cache, "logarium-compat"}, elem...)...)
}

// missing skips the test, or fails it where everything must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	words := what + " is missing; engine/compat/setup.sh installs what these tests need"
	if os.Getenv("LOGARIUM_CI") == "1" {
		t.Fatal(words)
	}
	t.Skip(words)
}

// program returns the path of a program on PATH.
func program(t *testing.T, name, what string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, what)
	}
	return path
}

// place returns the value of an environment variable, or the default, if there is such a file or folder.
func place(t *testing.T, env, byDefault, what string) string {
	t.Helper()
	path := os.Getenv(env)
	if path == "" {
		path = byDefault
	}
	if _, err := os.Stat(path); err != nil {
		missing(t, what+" ("+env+"="+path+")")
	}
	return path
}

func kcatPath(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("LOGARIUM_KCAT"); path != "" {
		return place(t, "LOGARIUM_KCAT", "", "kcat")
	}
	return program(t, "kcat", "kcat (apt-get install kcat)")
}

// java returns the command line of a Java program with Kafka's jars and ours: a start as quick as a JVM can.
func java(t *testing.T, classes string) []string {
	t.Helper()
	bin := program(t, "java", "Java 17 or newer (apt-get install default-jdk-headless)")
	libs := kafkaLibs(t)
	path := filepath.Join(libs, "*")
	if classes != "" {
		path = classes + string(os.PathListSeparator) + path
	}
	log, err := filepath.Abs("java/log4j2.xml")
	if err != nil {
		t.Fatal(err)
	}
	return []string{bin, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dlog4j2.configurationFile=" + log, "-cp", path}
}

func kafkaLibs(t *testing.T) string {
	t.Helper()
	return place(t, "LOGARIUM_KAFKA_LIBS", installed("kafka-libs"), "the folder of Apache Kafka's jars")
}

// compiled is our Java program, compiled once for a run of the tests so that it is never older than its source.
var compiled struct {
	once sync.Once
	out  []byte
	err  error
}

func javaClasses(t *testing.T) string {
	t.Helper()
	javac := program(t, "javac", "a JDK, 17 or newer (apt-get install default-jdk-headless)")
	libs := kafkaLibs(t)
	dir := filepath.Join(scratch, "classes")
	compiled.once.Do(func() {
		args := []string{"-Xlint:all", "-Werror", "-proc:none", "-cp", filepath.Join(libs, "*"), "-d", dir}
		sources, err := filepath.Glob("java/*.java")
		if err != nil {
			compiled.err = err
			return
		}
		compiled.out, compiled.err = exec.Command(javac, append(args, sources...)...).CombinedOutput()
	})
	if compiled.err != nil {
		t.Fatalf("javac: %v\n%s", compiled.err, compiled.out)
	}
	return dir
}

// startJava, startKafkaJS and startPython run the drivers in other languages, or skip the test.

func startJava(t *testing.T, c *cluster) driver {
	return startDriver(t, c, "java", nil, append(java(t, javaClasses(t)), "Driver")...)
}

func startKafkaJS(t *testing.T, c *cluster) driver {
	node := program(t, "node", "Node.js 18 or newer (apt-get install nodejs)")
	modules := place(t, "LOGARIUM_NODE_PATH", installed("node", "node_modules"), "the folder with kafkajs")
	env := []string{"NODE_PATH=" + modules, "KAFKAJS_NO_PARTITIONER_WARNING=1"}
	return startDriver(t, c, "kafkajs", env, node, "node/driver.js")
}

func startPython(t *testing.T, c *cluster) driver {
	python := place(t, "LOGARIUM_PYTHON", installed("python", "bin", "python"), "a Python with confluent-kafka")
	return startDriver(t, c, "confluent-python", nil, python, "python/driver.py")
}
