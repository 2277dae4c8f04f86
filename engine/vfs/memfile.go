package vfs

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
)

// memFile is an open file of a Mem.
type memFile struct {
	mem    *Mem
	name   string
	c      *content
	closed atomic.Bool
}

func (m *Mem) handle(name string, c *content) *memFile {
	return &memFile{mem: m, name: name, c: c}
}

// usable says why a call cannot be made on the file, if it cannot.
func (f *memFile) usable(op string) error {
	if f.mem.dead.Load() {
		return fail(op, f.name, ErrCrashed)
	}
	if f.closed.Load() {
		return fail(op, f.name, fs.ErrClosed)
	}
	return nil
}

// ReadAt implements File.
func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.usable("read"); err != nil {
		return 0, err
	}
	n, err := f.c.readAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fail("read", f.name, err)
	}
	return n, err
}

// WriteAt implements File.
func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.usable("write"); err != nil {
		return 0, err
	}
	n, err := f.c.writeAt(p, off)
	if err != nil {
		err = fail("write", f.name, err)
	}
	return n, err
}

// Truncate implements File.
func (f *memFile) Truncate(size int64) error {
	if err := f.usable("truncate"); err != nil {
		return err
	}
	if err := f.c.truncate(size); err != nil {
		return fail("truncate", f.name, err)
	}
	return nil
}

// Size implements File.
func (f *memFile) Size() (int64, error) {
	if err := f.usable("stat"); err != nil {
		return 0, err
	}
	return f.c.length(), nil
}

// Sync implements File.
func (f *memFile) Sync() error {
	if err := f.usable("sync"); err != nil {
		return err
	}
	f.c.sync()
	return nil
}

// Close implements File.
func (f *memFile) Close() error {
	if err := f.usable("close"); err != nil {
		return err
	}
	f.closed.Store(true)
	return nil
}
