package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// settings are the values of a YAML file by the names of the flags. It gives
// way to the environment, and refuses a name that no flag has.
type settings map[string]any

// findSettings reads the file that --config or LOGARIUM_CONFIG names. That
// happens before the command line is parsed, since the file takes part in it.
func findSettings(args []string) (settings, error) {
	name := os.Getenv("LOGARIUM_CONFIG")
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			name = value
		} else if arg == "--config" && i+1 < len(args) {
			name = args[i+1]
		}
	}
	if name == "" {
		return settings{}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	defer file.Close()
	values, err := readSettings(file)
	if err != nil {
		return nil, fmt.Errorf("--config %s: %w", name, err)
	}
	return values, nil
}

func readSettings(r io.Reader) (settings, error) {
	values := settings{}
	if err := yaml.NewDecoder(r).Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not valid YAML: %w", err)
	}
	return values, nil
}

// Validate implements kong.Resolver.
func (s settings) Validate(app *kong.Application) error {
	var known []string
	nodes := []*kong.Node{app.Node}
	for len(nodes) > 0 {
		for _, flag := range nodes[0].Flags {
			known = append(known, flag.Name)
		}
		nodes = append(nodes[1:], nodes[0].Children...)
	}
	for name := range s {
		if !slices.Contains(known, name) {
			return fmt.Errorf("the settings file names %q, which is not a setting; see logarium --help", name)
		}
	}
	return nil
}

// Resolve implements kong.Resolver.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return s[flag.Name], nil
}
