package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
)

// Data of the cluster is for its owner, and readable by the owner's group for backups.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

// OS returns the real disk below the folder root, which is made, durably, if
// it is missing. No name and no symbolic link leads out of root. The folder's
// one descriptor is freed with the FS.
func OS(root string) (FS, error) {
	if err := makeRoot(root); err != nil {
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	return &osFS{root: r}, nil
}

// makeRoot makes root and its missing parents, and syncs the folder above each new one.
func makeRoot(root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	var parents []string
	for dir := root; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			break
		}
		parents = append(parents, filepath.Dir(dir))
	}
	if err := os.MkdirAll(root, dirMode); err != nil {
		return err
	}
	for _, dir := range parents {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(syncDir(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// osFS is the FS of the operating system below one folder.
type osFS struct{ root *os.Root }

func (o *osFS) Create(name string) (File, error) {
	return o.open("create", name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (o *osFS) Open(name string) (File, error) {
	return o.open("open", name, os.O_RDWR)
}

func (o *osFS) open(op, name string, flag int) (File, error) {
	name, err := cleanBelow(op, name)
	if err != nil {
		return nil, err
	}
	f, err := o.root.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

func (o *osFS) MkdirAll(dir string) error {
	dir, err := clean("mkdir", dir)
	if err != nil {
		return err
	}
	if dir == "." {
		return nil
	}
	return o.root.MkdirAll(dir, dirMode)
}

func (o *osFS) Remove(name string) error {
	name, err := cleanBelow("remove", name)
	if err != nil {
		return err
	}
	return o.root.Remove(name)
}

func (o *osFS) RemoveAll(name string) error {
	name, err := cleanBelow("removeall", name)
	if err != nil {
		return err
	}
	return o.root.RemoveAll(name)
}

func (o *osFS) Rename(from, to string) error {
	from, err := cleanBelow("rename", from)
	if err != nil {
		return err
	}
	to, err = cleanBelow("rename", to)
	if err != nil {
		return err
	}
	return o.root.Rename(from, to)
}

func (o *osFS) List(dir string) ([]string, error) {
	dir, err := clean("list", dir)
	if err != nil {
		return nil, err
	}
	f, err := o.root.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

func (o *osFS) Stat(name string) (Info, error) {
	name, err := clean("stat", name)
	if err != nil {
		return Info{}, err
	}
	st, err := o.root.Stat(name)
	if err != nil {
		return Info{}, err
	}
	info := Info{Size: st.Size(), ModTime: st.ModTime(), IsDir: st.IsDir()}
	if info.IsDir {
		info.Size = 0 // what a file system says here means nothing to anybody
	}
	return info, nil
}

func (o *osFS) SyncDir(dir string) error {
	dir, err := clean("syncdir", dir)
	if err != nil {
		return err
	}
	f, err := o.root.Open(dir)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && !st.IsDir() {
		err = &fs.PathError{Op: "syncdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if err == nil {
		err = syncDir(f)
	}
	return errors.Join(err, f.Close())
}

func (o *osFS) Lock(name string) (io.Closer, error) {
	name, err := cleanBelow("lock", name)
	if err != nil {
		return nil, err
	}
	f, err := o.root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "lock", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

// osFile is an open file of the operating system.
type osFile struct {
	f *os.File
	// failed is the first error of Sync. The kernel reports a failed write-back
	// once and then calls the pages clean, so that a second fsync would succeed
	// over data that is lost; here the first error stays.
	failed atomic.Pointer[error]
}

func (o *osFile) ReadAt(p []byte, off int64) (int, error)  { return o.f.ReadAt(p, off) }
func (o *osFile) WriteAt(p []byte, off int64) (int, error) { return o.f.WriteAt(p, off) }
func (o *osFile) Truncate(size int64) error                { return o.f.Truncate(size) }
func (o *osFile) Close() error                             { return o.f.Close() }

func (o *osFile) Size() (int64, error) {
	st, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (o *osFile) Sync() error {
	if err := o.failed.Load(); err != nil {
		return *err
	}
	err := syncData(o.f)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		o.failed.CompareAndSwap(nil, &err)
	}
	return err
}
