package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/inspect"
)

// stoppedFolder makes a data folder of one broker that was stopped cleanly.
func stoppedFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	e, err := engine.Open(t.Context(), engine.Config{Brokers: 1, DataDir: dir, Listeners: []engine.Listener{{Name: "EXTERNAL", Bind: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLog_VerifyHasAnExitStatus(t *testing.T) {
	dir := stoppedFolder(t)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"log", "verify", dir, "--json"}, &out, io.Discard); err != nil {
		t.Errorf("a folder that is right: %v\n%s", err, out.String())
	}
	var report inspect.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Brokers != 1 {
		t.Errorf("%v: %s", err, out.String())
	}
	name := filepath.Join(dir, "broker-1", "meta.properties")
	if err := os.WriteFile(name, []byte("version=1\ncluster.id=other\nnode.id=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	err := run(t.Context(), []string{"log", "verify", dir}, &out, io.Discard)
	if err == nil || exitStatus(err) != 1 || !strings.Contains(out.String(), "PROBLEM (broker) broker-1/meta.properties") {
		t.Errorf("a folder with a problem: %v\n%s", err, out.String())
	}
	for _, unreadable := range []string{t.TempDir(), filepath.Join(dir, "missing")} {
		if err := run(t.Context(), []string{"log", "verify", unreadable}, io.Discard, io.Discard); err == nil || exitStatus(err) != 2 {
			t.Errorf("%s: %v", unreadable, err)
		}
	}
}

func TestLog_RefusesAFolderInUse(t *testing.T) {
	dir := t.TempDir()
	e, err := engine.Open(t.Context(), engine.Config{Brokers: 1, DataDir: dir, Listeners: []engine.Listener{{Name: "EXTERNAL", Bind: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	err = run(t.Context(), []string{"log", "dump", dir}, io.Discard, io.Discard)
	if !errors.Is(err, inspect.ErrInUse) || !strings.Contains(err.Error(), "--live") {
		t.Errorf("a folder in use: %v", err)
	}
	var out, said bytes.Buffer
	if err := run(t.Context(), []string{"log", "dump", dir, "--live"}, &out, &said); err != nil || !strings.Contains(out.String(), "Broker 1 of cluster") {
		t.Errorf("--live: %v\n%s", err, out.String())
	}
	if !strings.Contains(said.String(), "may be in use") {
		t.Errorf("--live says %q", said.String())
	}
}

func TestLog_DumpArguments(t *testing.T) {
	dir := stoppedFolder(t)
	for args, want := range map[string]string{
		"--offsets 5..1":   "is not FROM..TO",
		"--offsets x":      "is not FROM..TO",
		"--show nonsense":  "--show nonsense",
		"--format base128": "--format",
	} {
		err := run(t.Context(), append([]string{"log", "dump", dir}, strings.Fields(args)...), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
	for text, want := range map[string][2]int64{"": {0, 0}, "3..7": {3, 8}, "3..": {3, 0}, "..0": {0, 1}, "4": {4, 5}} {
		if from, until, err := parseOffsets(text); err != nil || from != want[0] || until != want[1] {
			t.Errorf("%q: %d, %d, %v", text, from, until, err)
		}
	}
}
