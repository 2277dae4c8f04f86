package vfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/logarium/logarium/engine/vfs"
)

func TestOS_MakesItsFolder(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a", "b")
	disk, err := vfs.OS(root)
	must(t, err)
	write(t, disk, "x", "1")
	if got, err := os.ReadFile(filepath.Join(root, "x")); err != nil || string(got) != "1" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestOS_RefusesAFileAsFolder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(name, nil, 0o600))
	if _, err := vfs.OS(name); err == nil {
		t.Fatal("a file was taken for a folder")
	}
}

func TestOS_LinksDoNotLeaveTheRoot(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("1"), 0o600))
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Skip("this system makes no symbolic links:", err)
	}
	disk, err := vfs.OS(root)
	must(t, err)
	if _, err := disk.Open("link/secret"); err == nil {
		t.Error("a link led out of the root")
	}
	if _, err := disk.Create("link/new"); err == nil {
		t.Error("a link led out of the root")
	}
	must(t, disk.RemoveAll("link"))
	if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
		t.Errorf("removing the link removed what it led to: %v", err)
	}
}

func TestOS_LockHoldsBetweenTwoDisks(t *testing.T) {
	root := t.TempDir()
	one, err := vfs.OS(root)
	must(t, err)
	two, err := vfs.OS(root)
	must(t, err)
	held, err := one.Lock("lock")
	must(t, err)
	if _, err := two.Lock("lock"); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("a second lock: %v", err)
	}
	must(t, held.Close())
	again, err := two.Lock("lock")
	must(t, err)
	must(t, again.Close())
}
