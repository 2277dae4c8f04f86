package vfs

import "errors"

// TempSuffix is what ReplaceFile adds to a name while it writes. A file that
// still has it was left behind by a crash.
const TempSuffix = ".tmp"

// ReadFile reads a whole small file.
func ReadFile(fs FS, name string) (_ []byte, err error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, err // never nil for a short read, by io.ReaderAt
	}
	return b, nil
}

// ReplaceLater is ReplaceFile without the sync: until the file and its folder
// are synced, a loss of power may leave the old one, the new one, or one that is
// torn.
func ReplaceLater(fs FS, name string, b []byte) error { return replace(fs, name, b, false) }

// ReplaceFile writes a file under another name, syncs it and renames it: after
// a crash the old or the new one is there, whole. Which of the two is certain
// only after SyncDir of the folder.
func ReplaceFile(fs FS, name string, b []byte) error { return replace(fs, name, b, true) }

func replace(fs FS, name string, b []byte, sync bool) error {
	f, err := fs.Create(name + TempSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fs.Rename(name+TempSuffix, name)
}
