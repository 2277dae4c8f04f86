package static

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The scripts that pages load: each is one file made of modules, so that a first
// visit asks for few files. A page loads one of them.
const (
	ScriptBase     = "js/page.js"     // every page
	ScriptOverview = "js/overview.js" // the overview: the map, the graphs and the lists
	ScriptTail     = "js/messages.js" // live messages of a topic
)

// scripts lists the modules that each script runs, in that order; what they
// import comes before them.
var scripts = map[string][]string{
	ScriptBase:     {"ui", "live"},
	ScriptOverview: {"ui", "live", "map", "charts", "lists"},
	ScriptTail:     {"ui", "live", "tail"},
}

// The modules are written so that they can be joined by lines: an import is one
// line of names, an export stands before what it exports, a comment that begins a
// line takes whole lines, and no text goes over lines.
var (
	importLine = regexp.MustCompile(`^import \{ ([\w$, ]+) \} from '\./([a-z_]+)\.js';$`)
	exportLine = regexp.MustCompile(`^export (async function|function|class|const) ([\w$]+)`)
)

var errModule = errors.New("a module that cannot be joined")

// joinScripts adds the scripts to the files.
func (f *Files) joinScripts() error {
	for name, entries := range scripts {
		j := joiner{files: f.files, done: make(map[string]bool)}
		for _, e := range entries {
			if err := j.add(e, nil); err != nil {
				return fmt.Errorf("join %s: %w", name, err)
			}
		}
		f.files[name] = file{body: []byte(j.out.String()), contentType: contentType(name)}
	}
	return nil
}

// joiner puts modules one after another, each in a function of its own whose
// value is what it exports.
type joiner struct {
	files map[string]file
	done  map[string]bool
	out   strings.Builder
}

// add writes a module after those that it imports; under are those that are
// being added.
func (j *joiner) add(name string, under []string) error {
	if j.done[name] {
		return nil
	}
	if slices.Contains(under, name) {
		return fmt.Errorf("%w: %s imports itself by way of %v", errModule, name, under)
	}
	source, ok := j.files[path.Join("js", name+".js")]
	if !ok {
		return fmt.Errorf("%w: there is no js/%s.js", errModule, name)
	}
	var body strings.Builder
	var exports []string
	comment := false // inside a block of it
	for line := range strings.Lines(string(source.body)) {
		line = strings.TrimSuffix(line, "\n")
		bare := strings.TrimSpace(line)
		comment = comment || strings.HasPrefix(bare, "/*")
		if comment || bare == "" || strings.HasPrefix(bare, "//") { // for those who read the sources
			comment = comment && !strings.Contains(bare, "*/")
			continue
		}
		switch {
		case strings.HasPrefix(line, "import "):
			m := importLine.FindStringSubmatch(line)
			if m == nil {
				return fmt.Errorf("%w: %s: %s", errModule, name, line)
			}
			if err := j.add(m[2], append(under, name)); err != nil {
				return err
			}
			fmt.Fprintf(&body, "const { %s } = $%s;\n", strings.ReplaceAll(m[1], " as ", ": "), m[2])
		case strings.HasPrefix(line, "export "):
			m := exportLine.FindStringSubmatch(line)
			if m == nil {
				return fmt.Errorf("%w: %s: %s", errModule, name, line)
			}
			exports = append(exports, m[2])
			body.WriteString(strings.TrimPrefix(line, "export ") + "\n")
		default:
			body.WriteString(line + "\n")
		}
	}
	fmt.Fprintf(&j.out, "const $%s = (() => {\n%sreturn { %s };\n})();\n", name, body.String(), strings.Join(exports, ", "))
	j.done[name] = true
	return nil
}
