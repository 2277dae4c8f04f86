// Package static holds the files that the console serves as they are: styles,
// scripts, pictures and the two vendored libraries.
//
// It owns their addresses: every file is served below a folder whose name is a
// hash over all files, so that a browser may keep them for ever, modules can
// import each other by relative paths, and a new build is seen at once. It
// imports the standard library alone.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"sort"
	"strings"
)

//go:embed css js img vendor
var embedded embed.FS

// Bundle is the name of the one style sheet, put together from styleOrder.
const Bundle = "app.css"

// Prefix is the first part of every address of a static file.
const Prefix = "/static/"

// styleOrder lists the style sheets of the bundle; a name that is not there is
// an error at start, a sheet that is not named comes last.
var styleOrder = []string{
	"vendor/uplot/uPlot.min.css",
	"css/tokens.css", "css/base.css", "css/layout.css", "css/components.css", "css/pages.css",
}

// file is one static file, ready to be served.
type file struct {
	body        []byte
	contentType string
}

// Files is the set of static files under their hashed folder.
type Files struct {
	hash  string
	files map[string]file
}

// Load reads the embedded files. It fails only when the build is broken.
func Load() (*Files, error) {
	f := &Files{files: make(map[string]file)}
	err := fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := embedded.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		f.files[name] = file{body: body, contentType: contentType(name)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := f.bundle(); err != nil {
		return nil, err
	}
	if err := f.joinScripts(); err != nil {
		return nil, err
	}
	f.hash = f.sum()
	return f, nil
}

// bundle joins the style sheets into one file.
func (f *Files) bundle() error {
	order := slices.Clone(styleOrder)
	var rest []string
	for name := range f.files {
		if strings.HasPrefix(name, "css/") && !slices.Contains(order, name) {
			rest = append(rest, name)
		}
	}
	sort.Strings(rest)
	var b strings.Builder
	for _, name := range slices.Concat(order, rest) {
		sheet, ok := f.files[name]
		if !ok {
			return fmt.Errorf("style sheet %s is missing", name)
		}
		b.Write(sheet.body)
		b.WriteByte('\n')
	}
	f.files[Bundle] = file{body: []byte(b.String()), contentType: contentType(Bundle)}
	return nil
}

func (f *Files) sum() string {
	names := make([]string, 0, len(f.files))
	for name := range f.files {
		names = append(names, name)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, name := range names {
		fmt.Fprintf(h, "%s\x00%d\x00", name, len(f.files[name].body))
		h.Write(f.files[name].body)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Hash names this build of the files.
func (f *Files) Hash() string { return f.hash }

// URL returns the address of a file, such as "js/live.js".
func (f *Files) URL(name string) string { return Prefix + f.hash + "/" + name }

// ServeHTTP serves the files below Prefix. A file asked for under an old hash
// is served too, but not to be kept: a page that was open during an upgrade
// goes on working.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hash, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	file, ok := f.files[name]
	if !ok || path.Clean(name) != name {
		http.NotFound(w, r)
		return
	}
	cache := "no-cache"
	if hash == f.hash {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Type", file.contentType)
	if r.Method == http.MethodHead {
		return
	}
	// A failed write means that the browser has gone; nobody is left to tell.
	_, _ = w.Write(file.body)
}

// contentType does not ask the operating system's tables: they differ, and
// nosniff makes a wrong answer fatal for a script.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".md", "":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
