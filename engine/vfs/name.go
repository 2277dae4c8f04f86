package vfs

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// clean gives a name its one canonical form, with "." for the root. A name
// that is absolute, leaves the root or that no disk can hold is refused in the
// same way by every implementation, so that a test in memory proves something
// about the real disk.
func clean(op, name string) (string, error) {
	if name == "" || name == "." {
		return ".", nil
	}
	if strings.ContainsRune(name, 0) || strings.ContainsRune(name, '\\') || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return path.Clean(name), nil
}

// cleanBelow is clean for calls that may not be made on the root itself.
func cleanBelow(op, name string) (string, error) {
	name, err := clean(op, name)
	if err == nil && name == "." {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return name, err
}
