//go:build !linux

package vfs

import "os"

// syncData makes content and length durable, down to the medium: on macOS
// package os asks for F_FULLFSYNC.
func syncData(f *os.File) error { return f.Sync() }
