// Package jstest runs the tests of the console's pure JavaScript modules with
// Node, where there is one. Nothing here is part of the product.
package jstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestModules(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("LOGARIUM_CI") != "" {
			t.Fatal("LOGARIUM_CI is set and there is no node")
		}
		t.Skip("there is no node on this machine")
	}
	// Node takes .js files for ES modules only below a package.json that says so.
	dir := t.TempDir()
	write(t, filepath.Join(dir, "package.json"), []byte(`{"type":"module"}`))
	for _, pattern := range []string{"../js/*.js", "*.test.js"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, filepath.Base(name)), body)
		}
	}
	tests, err := filepath.Glob(filepath.Join(dir, "*.test.js"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, append([]string{"--test"}, tests...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}
