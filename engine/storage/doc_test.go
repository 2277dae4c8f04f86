package storage

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedFiles decodes the examples of docs/format.
func TestDocumentedFiles(t *testing.T) {
	for name, decode := range map[string]func(t *testing.T, b []byte){
		"leader-epochs.md": func(t *testing.T, b []byte) {
			lines, err := decodeCheckpoint(b)
			var e epochs
			if err == nil {
				err = e.decode(lines)
			}
			if err != nil || e.latest() != 3 {
				t.Errorf("%v, %+v; it must be\n%s", err, e, encodeCheckpoint([]string{"0 0", "3 4711"}))
			}
		},
		"checkpoints.md": func(t *testing.T, b []byte) {
			if strings.HasPrefix(string(b), "version") {
				if lines, err := unsealText(b); err != nil || len(lines) != 2 {
					t.Errorf("%v; it must be\n%s", err, sealText("version: 1\ntopic_id: AAECAwQFBgcICQoLDA0ODw\n"))
				}
				return
			}
			if lines, err := decodeCheckpoint(b); err != nil || len(lines) != 1 {
				t.Errorf("%v; it must be\n%s", err, encodeCheckpoint([]string{"4711"}))
			}
		},
	} {
		text, err := os.ReadFile("../../docs/format/" + name)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "```")
		if len(parts) < 3 {
			t.Fatalf("%s has no example", name)
		}
		for i := 1; i < len(parts); i += 2 {
			decode(t, []byte(strings.TrimPrefix(parts[i], "\n")))
		}
	}
}
