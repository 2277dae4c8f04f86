// Package vfs is the engine's disk as an interface: the real one, one in
// memory that can crash and tear unsynced writes, and one that fails on
// purpose. It owns how files are named, synced and locked; it knows nothing of
// what is in them. It imports the standard library and golang.org/x/sys.
package vfs

import (
	"errors"
	"io"
	"time"
)

// ErrLocked is returned by Lock when another holder has the lock.
var ErrLocked = errors.New("locked by another process")

// FS is a file system below one root folder. Names are slash-separated and
// relative to it; a name that would leave the root is an error. Errors match
// fs.ErrNotExist and its like by errors.Is. It is wider than other interfaces
// of this code because a disk is one thing: a fault in any call must be
// injectable.
type FS interface {
	// Create makes an empty file for reading and writing, cutting an existing one to 0 bytes.
	// The file is durable only after File.Sync and SyncDir of its folder.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// MkdirAll makes a folder and its parents; an existing folder is no error.
	// A new one is durable after SyncDir of its parent.
	MkdirAll(dir string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// RemoveAll removes a file or a folder with all it holds; a missing one is no error.
	RemoveAll(name string) error
	// Rename replaces to by from, atomically; durable after SyncDir of both folders.
	// A file replaces a file; nothing replaces a folder, nor a folder anything.
	Rename(from, to string) error
	// List returns the base names in a folder, sorted.
	List(dir string) ([]string, error)
	// Stat describes a file or folder.
	Stat(name string) (Info, error)
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on a file, made if it is missing, until the
	// closer is closed or the process ends. It never waits: ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt and WriteAt may be called from several
// goroutines at once.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length in bytes.
	Size() (int64, error)
	// Truncate cuts or grows the file to size bytes.
	Truncate(size int64) error
	// Sync makes the content and length durable (fdatasync). After an error
	// nothing may be assumed of any write since the last Sync that succeeded,
	// and the file must not be trusted by syncing again.
	Sync() error
}

// Info describes a file or folder.
type Info struct {
	Size    int64
	ModTime time.Time
	IsDir   bool
}
