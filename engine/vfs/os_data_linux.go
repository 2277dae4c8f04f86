package vfs

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes content and length durable. fdatasync leaves out the times,
// which on most file systems saves one write to the journal for each call.
func syncData(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	controlErr := raw.Control(func(fd uintptr) {
		for {
			syncErr = unix.Fdatasync(int(fd))
			if syncErr != unix.EINTR {
				return
			}
		}
	})
	if controlErr != nil { // it has this one reason, and package os gives it no value to compare with
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: fs.ErrClosed}
	}
	if syncErr != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: syncErr}
	}
	return nil
}
