package vfs

import (
	"io"
	"path"
)

// Sub returns the folder dir of fs, which must exist, as an FS of its own.
func Sub(fs FS, dir string) FS { return subFS{fs, dir} }

type subFS struct {
	under FS
	dir   string
}

// below is a name as the FS underneath knows it. One that would leave the
// folder is refused here, since from there it might lead to a neighbour.
func (s subFS) below(op, name string) (string, error) {
	name, err := clean(op, name)
	return path.Join(s.dir, name), err
}

func (s subFS) Create(name string) (File, error) { return open(s, "create", name, s.under.Create) }
func (s subFS) Open(name string) (File, error)   { return open(s, "open", name, s.under.Open) }

func open(s subFS, op, name string, call func(string) (File, error)) (File, error) {
	at, err := s.below(op, name)
	if err != nil {
		return nil, err
	}
	return call(at)
}

func (s subFS) MkdirAll(dir string) error   { return s.do("mkdir", dir, s.under.MkdirAll) }
func (s subFS) Remove(name string) error    { return s.do("remove", name, s.under.Remove) }
func (s subFS) RemoveAll(name string) error { return s.do("removeall", name, s.under.RemoveAll) }
func (s subFS) SyncDir(dir string) error    { return s.do("syncdir", dir, s.under.SyncDir) }

func (s subFS) do(op, name string, call func(string) error) error {
	at, err := s.below(op, name)
	if err != nil {
		return err
	}
	return call(at)
}

func (s subFS) Rename(from, to string) error {
	from, err := s.below("rename", from)
	if err != nil {
		return err
	}
	return s.do("rename", to, func(to string) error { return s.under.Rename(from, to) })
}

func (s subFS) List(dir string) ([]string, error) {
	at, err := s.below("list", dir)
	if err != nil {
		return nil, err
	}
	return s.under.List(at)
}

func (s subFS) Stat(name string) (Info, error) {
	at, err := s.below("stat", name)
	if err != nil {
		return Info{}, err
	}
	return s.under.Stat(at)
}

func (s subFS) Lock(name string) (io.Closer, error) {
	at, err := s.below("lock", name)
	if err != nil {
		return nil, err
	}
	return s.under.Lock(at)
}
