package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/logarium/logarium/"

// sourceFile is one Go file of the repository, whatever its build tags.
type sourceFile struct {
	name    string // slash-separated, from the root of the repository
	dir     string
	text    string
	ast     *ast.File
	imports []string // those of this module without its name in front
	fset    *token.FileSet
}

func (f sourceFile) isTest() bool      { return strings.HasSuffix(f.name, "_test.go") }
func (f sourceFile) isGenerated() bool { return ast.IsGenerated(f.ast) }

// source reads all Go files of the repository.
func source(t *testing.T) []sourceFile {
	t.Helper()
	const root = "../.."
	var files []sourceFile
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && name != root && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := sourceFile{name: filepath.ToSlash(rel), text: string(text), ast: parsed, fset: fset}
		f.dir = path.Dir(f.name)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, strings.TrimPrefix(imported, module))
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files were found: this test looks in the wrong place", len(files))
	}
	return files
}

// below says whether a path is one of the roots or below one.
func below(name string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return name == root || strings.HasPrefix(name, root+"/") })
}

const (
	franz = "github.com/twmb/franz-go"
	kgo   = franz + "/pkg/kgo"
	kmsg  = franz + "/pkg/kmsg"
	kfake = franz + "/pkg/kfake"
	echo  = "github.com/labstack/echo"
	templ = "github.com/a-h/templ"
	sse   = "github.com/r3labs/sse"
)

// importRule is one rule of who may import what.
type importRule struct {
	why     string
	in      []string // folders it is for
	but     []string // folders it is not for
	inTests bool     // it is for tests too
	deny    []string // what may not be imported, with all below
	allow   []string // what of it may be
}

// importRules are those of DESIGN: .golangci.yml has them too, with advice,
// but not everybody runs a linter before they push.
var importRules = []importRule{
	{
		why: "the engine does not know the console", in: []string{"engine"}, inTests: true,
		deny: []string{"server", "templates", "static", "cmd", echo, templ, sse},
	},
	{why: "the engine speaks Kafka, not HTTP", in: []string{"engine"}, deny: []string{"net/http"}},
	{
		why: "the engine is a server: the Kafka client is for its tests, and its codecs for engine/batch",
		in:  []string{"engine"}, but: []string{"engine/batch"}, deny: []string{kgo, franz + "/pkg/kadm"},
	},
	{
		why: "below the broker and the coordinators there are bytes and own types",
		in:  []string{"engine"}, but: []string{"engine/broker", "engine/coordinator"}, deny: []string{kmsg},
	},
	{
		why: "these are leaves", in: []string{"engine/batch", "engine/event", "engine/metadata", "engine/netx", "engine/vfs"},
		deny: []string{"engine"},
	},
	{why: "storage knows one log", in: []string{"engine/storage"}, deny: []string{"engine"}, allow: []string{"engine/batch", "engine/vfs", "engine/event"}},
	{why: "the journal knows entries, not logs", in: []string{"engine/journal"}, deny: []string{"engine"}, allow: []string{"engine/event", "engine/journal", "engine/vfs"}},
	{
		why: "the broker is above them", in: []string{"engine/controller", "engine/coordinator", "engine/replica", "engine/storage"},
		deny: []string{"engine/broker"},
	},
	{why: "the controller knows neither coordinators nor replicas", in: []string{"engine/controller"}, deny: []string{"engine/coordinator", "engine/replica"}},
	{
		why: "inspect reads files with the decoders of those who write them, and runs nothing", in: []string{"engine/inspect"},
		deny: []string{"engine"}, allow: []string{"engine/batch", "engine/controller", "engine/coordinator/group", "engine/journal", "engine/metadata", "engine/storage", "engine/vfs"},
	},
	{why: "a coordinator sees its log through an interface of its own", in: []string{"engine/coordinator"}, deny: []string{"engine/controller", "engine/replica"}},
	{why: "the console sees every cluster through the Kafka protocol", in: []string{"server"}, deny: []string{"engine"}, allow: []string{"engine/event"}},
	{why: "only cmd wires", in: []string{"engine", "server", "templates", "static"}, inTests: true, deny: []string{"cmd"}},
	{
		why: "templates see view models only", in: []string{"templates"},
		deny: []string{franz, "net/http", "engine", "server", echo, sse},
	},
	{why: "server/live is the one adapter over r3labs/sse", in: []string{"cmd", "engine", "server", "templates", "static"}, but: []string{"server/live"}, deny: []string{sse}},
	{
		why: "these are for tests", in: []string{"cmd", "engine", "server", "templates", "static"},
		deny: []string{kfake, "go.uber.org/goleak", "pgregory.net/rapid", "github.com/google/go-cmp", "github.com/chromedp", "github.com/rogpeppe/go-internal"},
	},
}

func TestArchitecture_Imports(t *testing.T) {
	for _, f := range source(t) {
		for _, rule := range importRules {
			if !below(f.dir, rule.in...) || below(f.dir, rule.but...) || f.isTest() && !rule.inTests {
				continue
			}
			for _, imported := range f.imports {
				if below(imported, rule.deny...) && !below(imported, rule.allow...) {
					t.Errorf("%s imports %s: %s", f.name, imported, rule.why)
				}
			}
		}
	}
}

// pure are the packages that are given the time and return what is to be done.
var pure = []string{"engine/batch", "engine/metadata", "engine/coordinator/group", "engine/sim/check"}

func TestArchitecture_PurePackages(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}
	for _, f := range source(t) {
		if f.isTest() || !below(f.dir, pure...) {
			continue
		}
		for _, imported := range f.imports {
			if slices.Contains([]string{"os", "net", "engine/vfs", "engine/netx"}, imported) {
				t.Errorf("%s imports %s, and is to be pure", f.name, imported)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine, and is to be pure", f.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s asks the clock, and is to be pure", f.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func TestArchitecture_Files(t *testing.T) {
	const maxLines = 700
	leftover := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)
	for _, f := range source(t) {
		if f.isGenerated() {
			continue
		}
		if lines := strings.Count(f.text, "\n"); lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: look for the seam in it", f.name, lines, maxLines)
		}
		if found := leftover.FindString(f.text); found != "" {
			t.Errorf("%s has a %s: finish it, or write an issue", f.name, found)
		}
		if strings.Contains(f.text, "\r") {
			t.Errorf("%s has carriage returns", f.name)
		}
	}
}

func TestArchitecture_PackagesAreDescribed(t *testing.T) {
	described, seen := map[string]bool{}, map[string]bool{}
	vague := []string{"util", "utils", "helper", "helpers", "common", "misc", "manager"}
	for _, f := range source(t) {
		if slices.Contains(vague, path.Base(f.dir)) {
			t.Errorf("%s: the name of the package says nothing", f.dir)
		}
		name := f.ast.Name.Name
		if strings.HasSuffix(name, "_test") {
			continue
		}
		seen[f.dir] = true
		prefix := "Package " + name + " "
		if name == "main" {
			prefix = "Command "
		}
		if f.ast.Doc != nil && strings.HasPrefix(f.ast.Doc.Text(), prefix) {
			described[f.dir] = true
		}
	}
	for dir := range seen {
		if !described[dir] {
			t.Errorf("%s: no file has a comment that says what the package is for", dir)
		}
	}
}

func TestArchitecture_ModulesAreUsed(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, f := range source(t) {
		for _, imported := range f.imports {
			used[imported] = true
		}
	}
	required := regexp.MustCompile(`(?m)^(?:require )?\s*(\S+) v\S+(?: // (.*))?$`)
	tool := regexp.MustCompile(`(?m)^(?:tool )?\s*(\S+)$`)
	for _, match := range tool.FindAllStringSubmatch(string(text), -1) {
		used[match[1]] = true
	}
	var modules []string
	for _, match := range required.FindAllStringSubmatch(string(text), -1) {
		switch match[2] {
		case "indirect": // somebody else's
		case "":
			t.Errorf("go.mod gives no reason for %s: add it as a comment", match[1])
		default:
			modules = append(modules, match[1])
		}
	}
	if len(modules) < 10 {
		t.Fatalf("only %d modules were found in go.mod", len(modules))
	}
	slices.Sort(modules) // so that the last one that holds an import is the one that it is of
	needed := map[string]bool{}
	for imported := range used {
		of := ""
		for _, m := range modules {
			if below(imported, m) {
				of = m
			}
		}
		needed[of] = true
	}
	for _, m := range modules {
		if !needed[m] {
			t.Errorf("go.mod requires %s, which nothing imports", m)
		}
	}
}
