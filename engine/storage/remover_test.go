package storage

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/vfs"
)

// TestRemover has a disk that takes an hour to delete a file: nobody waits for
// it, and all is deleted in the end.
func TestRemover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		disk.Inject(vfs.Fault{Op: vfs.OpRemoveAll, Delay: time.Hour})
		r := StartRemover(nil)
		o := testOptions(disk)
		o.Remover = r
		o.Config.RetentionBytes = 0
		l, _, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		fill(t, l, 100)
		deleted, err := l.Retain(testNow, l.End())
		if err != nil || len(deleted) < 3 {
			t.Fatal(deleted, err)
		}
		fill(t, l, 100)
		if err := l.Reset(7); err != nil {
			t.Fatal(err)
		}
		follow(t, l, 7, 3, 1)
		if err := l.Delete(); err != nil {
			t.Fatal(err)
		}
		if passed := time.Since(began); passed > 0 {
			t.Errorf("deleting held others up for %v", passed)
		}
		r.Close()
		if passed := time.Since(began); passed < 3*time.Hour {
			t.Errorf("deleted in %v", passed)
		}
		if names, err := disk.List("logs"); err != nil || len(names) > 0 {
			t.Errorf("left: %v, %v", names, err)
		}
	})
}

func TestRemoverLeavesNewFiles(t *testing.T) {
	disk := vfs.NewMem()
	r := StartRemover(nil)
	o := testOptions(disk)
	o.Remover = r
	l, _ := mustOpen(t, o)
	fill(t, l, 20)
	if err := l.Reset(0); err != nil {
		t.Fatal(err)
	}
	fill(t, l, 20)
	r.Close()
	if got := readAll(t, l, 1000); !slices.Equal(got, wantRecords(0, 60)) {
		t.Errorf("read %v", got)
	}
	names, err := disk.List(testDir)
	if err != nil || slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, deletedSuffix) }) {
		t.Errorf("%v, %v", names, err)
	}
	if err := r.remove(disk, testDir+"/"+firstLog); err != nil { // closed: at once
		t.Fatal(err)
	}
}
