package vfs

import (
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"time"
)

// Op names one kind of call on a disk or a file.
type Op string

// The calls that a Fault can be for.
const (
	OpCreate    Op = "create"
	OpOpen      Op = "open"
	OpMkdir     Op = "mkdir"
	OpRemove    Op = "remove"
	OpRemoveAll Op = "removeall"
	OpRename    Op = "rename" // by the name it is given
	OpList      Op = "list"
	OpStat      Op = "stat"
	OpSyncDir   Op = "syncdir"
	OpLock      Op = "lock"
	OpRead      Op = "read"
	OpWrite     Op = "write"
	OpSize      Op = "size"
	OpTruncate  Op = "truncate"
	OpSync      Op = "sync"
)

// Fault is one thing that goes wrong with calls on a disk. With several of its
// consequences set, they come in the order of the fields.
type Fault struct {
	// Op is the call it is for; "" is every call.
	Op Op
	// Path is the pattern of path.Match that the name must have; "" is every name.
	Path string
	// Skip is how many matching calls go well first.
	Skip int
	// Times is how many calls after those go wrong; 0 is all of them.
	Times int

	// Delay is how long the call takes longer.
	Delay time.Duration
	// Do is called before the call; it must not use the disk in a way that leads back to itself.
	Do func(op Op, name string)
	// Short makes a write with Err carry out its first half.
	Short bool
	// Err is what the call fails with, without having any effect. A failed
	// Sync is for ever: the file refuses every later write, truncate and sync.
	Err error
	// Flip turns one bit, chosen by the seed, of what a read gives.
	Flip bool
}

// Faulty is a disk on top of another one, on which things go wrong as told.
type Faulty struct {
	under FS

	mu     sync.Mutex // never held during a call or a delay
	rng    *rand.Rand
	faults []*activeFault
}

// activeFault is a fault and the number of calls that have matched it.
type activeFault struct {
	Fault
	matched int
}

// NewFaulty returns a disk that passes everything on to another one until a
// fault is injected. The seed decides which bits flip.
func NewFaulty(under FS, seed uint64) *Faulty {
	return &Faulty{under: under, rng: rand.New(rand.NewPCG(seed, seed))}
}

// Inject makes things go wrong from now on. Of several faults that match a
// call, all delay and hook it, and the first one with an error fails it. The
// function that is returned takes the fault away.
func (f *Faulty) Inject(fault Fault) (remove func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	active := &activeFault{Fault: fault}
	f.faults = append(f.faults, active)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.faults = slices.DeleteFunc(f.faults, func(a *activeFault) bool { return a == active })
	}
}

// Heal takes all faults away. A file whose Sync has failed stays failed.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// outcome is what the faults make of one call.
type outcome struct {
	err   error
	short bool
	flip  bool
}

// strike counts the call, waits and runs hooks as the faults that match it
// say, and returns the rest.
func (f *Faulty) strike(op Op, name string) outcome {
	var (
		out   outcome
		delay time.Duration
		hooks []func(Op, string)
	)
	f.mu.Lock()
	for _, a := range f.faults {
		if !a.hits(op, name) {
			continue
		}
		delay += a.Delay
		if a.Do != nil {
			hooks = append(hooks, a.Do)
		}
		if a.Err != nil && out.err == nil {
			out.err, out.short = fail(string(op), name, a.Err), a.Short
		}
		out.flip = out.flip || a.Flip
	}
	f.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	for _, hook := range hooks {
		hook(op, name)
	}
	return out
}

// hits counts a call and says whether it goes wrong.
func (a *activeFault) hits(op Op, name string) bool {
	if a.Op != "" && a.Op != op {
		return false
	}
	if a.Path != "" {
		if ok, err := path.Match(a.Path, path.Clean(name)); err != nil || !ok {
			return false
		}
	}
	a.matched++
	return a.matched > a.Skip && (a.Times == 0 || a.matched <= a.Skip+a.Times)
}

// Create implements FS.
func (f *Faulty) Create(name string) (File, error) {
	return f.opened(OpCreate, name, f.under.Create)
}

// Open implements FS.
func (f *Faulty) Open(name string) (File, error) {
	return f.opened(OpOpen, name, f.under.Open)
}

func (f *Faulty) opened(op Op, name string, call func(string) (File, error)) (File, error) {
	if out := f.strike(op, name); out.err != nil {
		return nil, out.err
	}
	file, err := call(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{fs: f, name: name, under: file}, nil
}

// MkdirAll implements FS.
func (f *Faulty) MkdirAll(dir string) error {
	return f.named(OpMkdir, dir, f.under.MkdirAll)
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	return f.named(OpRemove, name, f.under.Remove)
}

// RemoveAll implements FS.
func (f *Faulty) RemoveAll(name string) error {
	return f.named(OpRemoveAll, name, f.under.RemoveAll)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(dir string) error {
	return f.named(OpSyncDir, dir, f.under.SyncDir)
}

func (f *Faulty) named(op Op, name string, call func(string) error) error {
	if out := f.strike(op, name); out.err != nil {
		return out.err
	}
	return call(name)
}

// Rename implements FS.
func (f *Faulty) Rename(from, to string) error {
	if out := f.strike(OpRename, to); out.err != nil {
		return out.err
	}
	return f.under.Rename(from, to)
}

// List implements FS.
func (f *Faulty) List(dir string) ([]string, error) {
	if out := f.strike(OpList, dir); out.err != nil {
		return nil, out.err
	}
	return f.under.List(dir)
}

// Stat implements FS.
func (f *Faulty) Stat(name string) (Info, error) {
	if out := f.strike(OpStat, name); out.err != nil {
		return Info{}, out.err
	}
	return f.under.Stat(name)
}

// Lock implements FS.
func (f *Faulty) Lock(name string) (io.Closer, error) {
	if out := f.strike(OpLock, name); out.err != nil {
		return nil, out.err
	}
	return f.under.Lock(name)
}

// faultyFile is an open file of a Faulty.
type faultyFile struct {
	fs    *Faulty
	name  string
	under File

	mu       sync.Mutex
	poisoned error // the first failure of Sync
}

// ReadAt implements File.
func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	out := f.fs.strike(OpRead, f.name)
	if out.err != nil {
		return 0, out.err
	}
	n, err := f.under.ReadAt(p, off)
	if out.flip && n > 0 {
		f.fs.mu.Lock()
		bit := f.fs.rng.IntN(8 * n)
		f.fs.mu.Unlock()
		p[bit/8] ^= 1 << (bit % 8)
	}
	return n, err
}

// WriteAt implements File.
func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.poison(nil); err != nil {
		return 0, err
	}
	out := f.fs.strike(OpWrite, f.name)
	if out.err == nil {
		return f.under.WriteAt(p, off)
	}
	if !out.short {
		return 0, out.err
	}
	n, err := f.under.WriteAt(p[:len(p)/2], off)
	if err != nil {
		return n, err
	}
	return n, out.err
}

// Truncate implements File.
func (f *faultyFile) Truncate(size int64) error {
	if err := f.poison(nil); err != nil {
		return err
	}
	if out := f.fs.strike(OpTruncate, f.name); out.err != nil {
		return out.err
	}
	return f.under.Truncate(size)
}

// Size implements File.
func (f *faultyFile) Size() (int64, error) {
	if out := f.fs.strike(OpSize, f.name); out.err != nil {
		return 0, out.err
	}
	return f.under.Size()
}

// Sync implements File.
func (f *faultyFile) Sync() error {
	if err := f.poison(nil); err != nil {
		return err
	}
	if out := f.fs.strike(OpSync, f.name); out.err != nil {
		return f.poison(out.err)
	}
	return f.under.Sync()
}

// poison returns why the file is poisoned, which is err if it was not before.
func (f *faultyFile) poison(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.poisoned == nil {
		f.poisoned = err
	}
	return f.poisoned
}

// Close implements File.
func (f *faultyFile) Close() error { return f.under.Close() }
