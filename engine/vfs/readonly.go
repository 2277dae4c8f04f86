package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ReadOnly returns the real disk below the folder root for who only looks: all
// calls that would change anything fail with EROFS, files are opened for
// reading, and root must be there. Lock takes the lock of a file that exists,
// without writing to it; a missing one is fs.ErrNotExist.
func ReadOnly(root string) (FS, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	return &readOnlyFS{osFS{root: r}}, nil
}

// readOnlyFS is an osFS that changes nothing.
type readOnlyFS struct{ osFS }

func refused(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: syscall.EROFS} }

func (o *readOnlyFS) Create(name string) (File, error) { return nil, refused("create", name) }
func (o *readOnlyFS) MkdirAll(dir string) error        { return refused("mkdir", dir) }
func (o *readOnlyFS) Remove(name string) error         { return refused("remove", name) }
func (o *readOnlyFS) RemoveAll(name string) error      { return refused("removeall", name) }
func (o *readOnlyFS) Rename(from, _ string) error      { return refused("rename", from) }
func (o *readOnlyFS) SyncDir(dir string) error         { return refused("syncdir", dir) }

func (o *readOnlyFS) Open(name string) (File, error) {
	f, err := o.openFile("open", name)
	if err != nil {
		return nil, err
	}
	return readOnlyFile{&osFile{f: f}}, nil
}

func (o *readOnlyFS) openFile(op, name string) (*os.File, error) {
	name, err := cleanBelow(op, name)
	if err != nil {
		return nil, err
	}
	return o.root.OpenFile(name, os.O_RDONLY, 0)
}

func (o *readOnlyFS) Lock(name string) (io.Closer, error) {
	f, err := o.openFile("lock", name)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "lock", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

// readOnlyFile refuses what the operating system would refuse anyway, and says
// that there is nothing to sync.
type readOnlyFile struct{ *osFile }

func (readOnlyFile) WriteAt([]byte, int64) (int, error) { return 0, refused("write", "") }
func (readOnlyFile) Truncate(int64) error               { return refused("truncate", "") }
func (readOnlyFile) Sync() error                        { return nil }
