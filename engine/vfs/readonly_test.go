package vfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/logarium/logarium/engine/vfs"
)

func TestReadOnly(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	ro, err := vfs.ReadOnly(root)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := vfs.ReadFile(ro, "a"); err != nil || string(b) != "text" {
		t.Fatalf("read %q, %v", b, err)
	}
	f, err := ro.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, create := ro.Create("b")
	_, write := f.WriteAt([]byte("x"), 0)
	for call, err := range map[string]error{
		"create": create, "mkdir": ro.MkdirAll("d"), "remove": ro.Remove("a"), "removeall": ro.RemoveAll("a"),
		"rename": ro.Rename("a", "b"), "syncdir": ro.SyncDir("."), "write": write, "truncate": f.Truncate(0),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v, not EROFS", call, err)
		}
	}
	if names, err := ro.List("."); err != nil || len(names) != 1 {
		t.Errorf("the folder has %v, %v", names, err)
	}
	if _, err := vfs.ReadOnly(filepath.Join(root, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing root: %v", err)
	}
}

func TestReadOnly_Lock(t *testing.T) {
	root := t.TempDir()
	ro, err := vfs.ReadOnly(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ro.Lock("lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing lock: %v", err)
	}
	rw, err := vfs.OS(root)
	if err != nil {
		t.Fatal(err)
	}
	held, err := rw.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ro.Lock("lock"); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("a lock that is held: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	mine, err := ro.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if _, err := rw.Lock("lock"); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("a lock that a reader holds: %v", err)
	}
}
