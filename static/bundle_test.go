package static

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad_ScriptsAreWhole(t *testing.T) {
	f, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, entries := range scripts {
		body := string(f.files[name].body)
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "export ") {
				t.Errorf("%s: %s", name, line)
			}
		}
		for _, e := range entries {
			if n := strings.Count(body, "const $"+e+" = "); n != 1 {
				t.Errorf("%s holds %s %d times", name, e, n)
			}
		}
		node, err := exec.LookPath("node")
		if err != nil {
			continue // the browser test loads them all the same
		}
		file := filepath.Join(t.TempDir(), "script.mjs")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(node, "--check", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func TestJoiner_OrderNamesAndWhatItRefuses(t *testing.T) {
	files := func(of ...string) map[string]file {
		out := make(map[string]file)
		for i := 0; i < len(of); i += 2 {
			out["js/"+of[i]+".js"] = file{body: []byte(of[i+1])}
		}
		return out
	}
	j := joiner{files: files("a", "import { x as y } from './b.js';\nexport const z = y;\n", "b", "// words\n\n/**\n * more\n */\nexport function x() {} // kept\n"), done: make(map[string]bool)}
	if err := j.add("a", nil); err != nil {
		t.Fatal(err)
	}
	want := "const $b = (() => {\nfunction x() {} // kept\nreturn { x };\n})();\nconst $a = (() => {\nconst { x: y } = $b;\nconst z = y;\nreturn { z };\n})();\n"
	if got := j.out.String(); got != want {
		t.Errorf("joined:\n%s", got)
	}
	for name, of := range map[string][]string{
		"cycle":   {"a", "import { x } from './b.js';\n", "b", "import { y } from './a.js';\n"},
		"missing": {"a", "import { x } from './c.js';\n"},
		"import":  {"a", "import * as x from './b.js';\n", "b", ""},
		"export":  {"a", "export default 1;\n"},
	} {
		j := joiner{files: files(of...), done: make(map[string]bool)}
		if err := j.add("a", nil); !errors.Is(err, errModule) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
