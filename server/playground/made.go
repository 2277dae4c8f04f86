package playground

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// made is what the demo made and has not removed yet.
type made struct {
	Topics map[string]string `json:"topics"` // topic id by name
}

func (m made) clone() made {
	out := made{Topics: maps.Clone(m.Topics)}
	if out.Topics == nil {
		out.Topics = map[string]string{}
	}
	return out
}

func readMade(name string) (made, error) {
	var m made
	if name == "" {
		return m, nil
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("reading what the demo made: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s is damaged (%w): delete it, and the demo's topics by hand", name, err)
	}
	return m, nil
}

// writeMade replaces the file in one step, so that a crash leaves the old one
// or the new one.
func writeMade(name string, m made) error {
	if name == "" {
		return nil
	}
	if len(m.Topics) == 0 {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forgetting what the demo made: %w", err)
		}
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding what the demo made: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return fmt.Errorf("remembering what the demo made: %w", err)
	}
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		return fmt.Errorf("remembering what the demo made: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("remembering what the demo made: %w", err)
	}
	return nil
}
