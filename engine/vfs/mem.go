package vfs

import (
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Mem is a disk in memory. The plain one of NewMem keeps what it is given as
// lean as it can and lasts as long as the process; the one of NewCrashable
// remembers what was not synced, and can lose it.
type Mem struct {
	mu      sync.RWMutex // guards all names; content has its own lock, taken after this one
	root    *node
	track   bool
	pending []*change // changes of names not synced yet, oldest first; only with track
	locks   map[string]bool
	dead    atomic.Bool // the power was cut, or the process that used this disk is gone
}

// node is a folder or a file.
type node struct {
	mod     time.Time // of a folder
	entries map[string]*node
	synced  map[string]*node // entries as a power cut leaves them; only of a folder with track
	content *content         // of a file; nil for a folder
}

// NewMem returns an empty disk in memory. Sync costs nothing and promises nothing.
func NewMem() *Mem { return newMem(false) }

// NewCrashable returns an empty disk in memory that can lose what was not
// synced: see Crash and Kill.
func NewCrashable() *Mem { return newMem(true) }

func newMem(track bool) *Mem {
	m := &Mem{track: track, locks: map[string]bool{}}
	m.root = m.newDir()
	return m
}

func (m *Mem) newDir() *node {
	n := &node{mod: time.Now(), entries: map[string]*node{}}
	if m.track {
		n.synced = map[string]*node{}
	}
	return n
}

func (n *node) isDir() bool { return n.content == nil }

func fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// walk finds what stands under a clean name.
func (m *Mem) walk(op, name string) (*node, error) {
	if m.dead.Load() {
		return nil, fail(op, name, ErrCrashed)
	}
	n := m.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.isDir() {
			return nil, fail(op, name, syscall.ENOTDIR)
		}
		next, ok := n.entries[part]
		if !ok {
			return nil, fail(op, name, fs.ErrNotExist)
		}
		n = next
	}
	return n, nil
}

// walkParent finds the folder of a clean name, and its last part.
func (m *Mem) walkParent(op, name string) (dir *node, base string, err error) {
	dir, err = m.walk(op, path.Dir(name))
	if err != nil {
		return nil, "", err
	}
	if !dir.isDir() {
		return nil, "", fail(op, name, syscall.ENOTDIR)
	}
	return dir, path.Base(name), nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	name, err := cleanBelow("create", name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.create("create", name)
	if err != nil {
		return nil, err
	}
	if err := f.truncate(0); err != nil {
		return nil, fail("create", name, err)
	}
	return m.handle(name, f), nil
}

// create returns the file of that name, made if it is missing.
func (m *Mem) create(op, name string) (*content, error) {
	dir, base, err := m.walkParent(op, name)
	if err != nil {
		return nil, err
	}
	n, ok := dir.entries[base]
	if !ok {
		n = &node{content: newContent(m.track)}
		m.rename(slot{dir, base, n})
	}
	if n.isDir() {
		return nil, fail(op, name, syscall.EISDIR)
	}
	return n.content, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	name, err := cleanBelow("open", name)
	if err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.walk("open", name)
	if err != nil {
		return nil, err
	}
	if n.isDir() {
		return nil, fail("open", name, syscall.EISDIR)
	}
	return m.handle(name, n.content), nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	name, err := clean("mkdir", dir)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.walk("mkdir", ".")
	if err != nil || name == "." {
		return err
	}
	for part := range strings.SplitSeq(name, "/") {
		next, ok := n.entries[part]
		if !ok {
			next = m.newDir()
			m.rename(slot{n, part, next})
		}
		if !next.isDir() {
			return fail("mkdir", name, syscall.ENOTDIR)
		}
		n = next
	}
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	name, err := cleanBelow("remove", name)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.walk("remove", name)
	if err != nil {
		return err
	}
	if len(n.entries) > 0 {
		return fail("remove", name, syscall.ENOTEMPTY)
	}
	return m.unlink("remove", name)
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	name, err := cleanBelow("removeall", name)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead.Load() {
		return fail("removeall", name, ErrCrashed)
	}
	n, err := m.walk("removeall", name)
	if err != nil {
		return nil //nolint:nilerr // what is not there needs no removing
	}
	if err := m.empty(name, n); err != nil {
		return err
	}
	return m.unlink("removeall", name)
}

// empty removes what a folder holds, one name after the other, as the call of
// the real disk does: a power cut can leave any part of it.
func (m *Mem) empty(name string, n *node) error {
	for _, base := range slices.Sorted(maps.Keys(n.entries)) {
		below := path.Join(name, base)
		if err := m.empty(below, n.entries[base]); err != nil {
			return err
		}
		if err := m.unlink("removeall", below); err != nil {
			return err
		}
	}
	return nil
}

func (m *Mem) unlink(op, name string) error {
	dir, base, err := m.walkParent(op, name)
	if err != nil {
		return err
	}
	m.rename(slot{dir, base, nil})
	return nil
}

// Rename implements FS.
func (m *Mem) Rename(from, to string) error {
	from, err := cleanBelow("rename", from)
	if err != nil {
		return err
	}
	to, err = cleanBelow("rename", to)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.walk("rename", from)
	if err != nil {
		return err
	}
	fromDir, fromBase, err := m.walkParent("rename", from)
	if err != nil {
		return err
	}
	toDir, toBase, err := m.walkParent("rename", to)
	if err != nil {
		return err
	}
	if from == to {
		return nil
	}
	if err := mayReplace(n, toDir.entries[toBase]); err != nil {
		return fail("rename", to, err)
	}
	if strings.HasPrefix(to, from+"/") {
		return fail("rename", to, syscall.EINVAL)
	}
	m.rename(slot{fromDir, fromBase, nil}, slot{toDir, toBase, n})
	return nil
}

// mayReplace says whether n may take the place of old, if there is one: a file
// that of a file, and nothing else.
func mayReplace(n, old *node) error {
	switch {
	case old == nil || !n.isDir() && !old.isDir():
		return nil
	case n.isDir():
		return syscall.EEXIST
	}
	return syscall.EISDIR
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	name, err := clean("list", dir)
	if err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.walk("list", name)
	if err != nil {
		return nil, err
	}
	if !n.isDir() {
		return nil, fail("list", name, syscall.ENOTDIR)
	}
	return slices.Sorted(maps.Keys(n.entries)), nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (Info, error) {
	name, err := clean("stat", name)
	if err != nil {
		return Info{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.walk("stat", name)
	if err != nil {
		return Info{}, err
	}
	if n.isDir() {
		return Info{ModTime: n.mod, IsDir: true}, nil
	}
	return n.content.info(), nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	name, err := clean("syncdir", dir)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.walk("syncdir", name)
	if err != nil {
		return err
	}
	if !n.isDir() {
		return fail("syncdir", name, syscall.ENOTDIR)
	}
	m.syncNames(n)
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	name, err := cleanBelow("lock", name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.create("lock", name); err != nil {
		return nil, err
	}
	if m.locks[name] {
		return nil, fail("lock", name, ErrLocked)
	}
	m.locks[name] = true
	return &memLock{mem: m, name: name}, nil
}

// memLock is a lock that is held.
type memLock struct {
	mem    *Mem
	name   string
	closed atomic.Bool
}

// Close frees the lock.
func (l *memLock) Close() error {
	if l.closed.Swap(true) {
		return fail("close", l.name, fs.ErrClosed)
	}
	l.mem.mu.Lock()
	defer l.mem.mu.Unlock()
	delete(l.mem.locks, l.name)
	return nil
}
