package vfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/bits"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/vfs"
)

// calls makes each call once and returns the errors by operation.
func calls(t *testing.T, disk vfs.FS, f vfs.File) map[vfs.Op]error {
	t.Helper()
	errs := map[vfs.Op]error{}
	note := func(op vfs.Op, err error) { errs[op] = err }
	created, err := disk.Create("new")
	note(vfs.OpCreate, err)
	if err == nil {
		must(t, created.Close())
	}
	opened, err := disk.Open("f")
	note(vfs.OpOpen, err)
	if err == nil {
		must(t, opened.Close())
	}
	_, err = disk.List(".")
	note(vfs.OpList, err)
	_, err = disk.Stat("f")
	note(vfs.OpStat, err)
	lock, err := disk.Lock("lock")
	note(vfs.OpLock, err)
	if err == nil {
		must(t, lock.Close())
	}
	note(vfs.OpMkdir, disk.MkdirAll("d"))
	note(vfs.OpRename, disk.Rename("f", "f2"))
	if errs[vfs.OpRename] == nil {
		must(t, disk.Rename("f2", "f"))
	}
	note(vfs.OpSyncDir, disk.SyncDir("."))
	_, err = f.WriteAt([]byte("abc"), 0)
	note(vfs.OpWrite, err)
	_, err = f.ReadAt(make([]byte, 1), 0)
	note(vfs.OpRead, err)
	_, err = f.Size()
	note(vfs.OpSize, err)
	note(vfs.OpTruncate, f.Truncate(3))
	note(vfs.OpSync, f.Sync())
	_, err = disk.Stat("lock")
	if err == nil {
		note(vfs.OpRemove, disk.Remove("lock"))
	} else {
		note(vfs.OpRemove, nil)
	}
	note(vfs.OpRemoveAll, disk.RemoveAll("d"))
	return errs
}

func TestFaulty_FailsTheOneCallItIsToldTo(t *testing.T) {
	fresh := func() (*vfs.Faulty, vfs.File) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		f, err := disk.Create("f")
		must(t, err)
		_, err = f.WriteAt([]byte("abc"), 0)
		must(t, err)
		return disk, f
	}
	disk, f := fresh()
	ops := calls(t, disk, f)
	for op, err := range ops {
		if err != nil {
			t.Fatalf("without a fault: %s: %v", op, err)
		}
	}
	for op := range ops {
		t.Run(string(op), func(t *testing.T) {
			disk, f := fresh()
			remove := disk.Inject(vfs.Fault{Op: op, Err: syscall.EIO})
			for got, err := range calls(t, disk, f) {
				if failed := errors.Is(err, syscall.EIO); failed != (got == op) && !(op == vfs.OpStat && got == vfs.OpRemove) {
					t.Errorf("%s: %v", got, err)
				}
			}
			remove()
			if op == vfs.OpSync {
				return // for ever; see TestFaulty_FailedSyncPoisons
			}
			for got, err := range calls(t, disk, f) {
				if err != nil {
					t.Errorf("after the fault was removed: %s: %v", got, err)
				}
			}
		})
	}
}

func TestFaulty_SkipTimesAndPath(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	must(t, disk.MkdirAll("d"))
	log, err := disk.Create("d/a.log")
	must(t, err)
	index, err := disk.Create("d/a.index")
	must(t, err)
	disk.Inject(vfs.Fault{Op: vfs.OpWrite, Path: "d/*.log", Skip: 1, Times: 2, Err: syscall.ENOSPC})
	for i, want := range []error{nil, syscall.ENOSPC, syscall.ENOSPC, nil} {
		if _, err := log.WriteAt([]byte("x"), 0); !errors.Is(err, want) {
			t.Errorf("write %d: %v, want %v", i, err, want)
		}
		if _, err := index.WriteAt([]byte("x"), 0); err != nil {
			t.Errorf("write %d of another file: %v", i, err)
		}
	}
	var pathErr *fs.PathError
	disk.Inject(vfs.Fault{Err: syscall.EIO})
	if _, err := disk.Open("d/a.log"); !errors.As(err, &pathErr) || pathErr.Path != "d/a.log" {
		t.Errorf("the error does not name the file: %v", err)
	}
	disk.Heal()
	if _, err := disk.Open("d/a.log"); err != nil {
		t.Errorf("after healing: %v", err)
	}
}

func TestFaulty_ShortWrite(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	f, err := disk.Create("f")
	must(t, err)
	disk.Inject(vfs.Fault{Op: vfs.OpWrite, Times: 1, Short: true, Err: syscall.ENOSPC})
	if n, err := f.WriteAt([]byte("abcdef"), 0); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d, %v", n, err)
	}
	if got := readOpen(t, f); got != "abc" {
		t.Fatalf("got %q", got)
	}
}

func TestFaulty_FailedSyncPoisons(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	f, err := disk.Create("f")
	must(t, err)
	_, err = f.WriteAt([]byte("abc"), 0)
	must(t, err)
	disk.Inject(vfs.Fault{Op: vfs.OpSync, Times: 1, Err: syscall.EIO})
	_ = f.Sync()
	_, writeErr := f.WriteAt([]byte("x"), 0)
	for call, err := range map[string]error{"Sync": f.Sync(), "Truncate": f.Truncate(0), "WriteAt": writeErr} {
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s after a failed sync: %v", call, err)
		}
	}
	if got := readOpen(t, f); got != "abc" {
		t.Errorf("reads do not go on: %q", got)
	}
}

func TestFaulty_DelayAndHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		var seen []string
		disk.Inject(vfs.Fault{Op: vfs.OpMkdir, Delay: 3 * time.Second, Do: func(op vfs.Op, name string) {
			seen = append(seen, string(op)+" "+name)
		}})
		start := time.Now()
		must(t, disk.MkdirAll("d"))
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if len(seen) != 1 || seen[0] != "mkdir d" {
			t.Errorf("hook saw %q", seen)
		}
	})
}

func TestFaulty_FlipsOneBit(t *testing.T) {
	want := bytes.Repeat([]byte("x"), 1000)
	flipped := func(seed uint64) []byte {
		disk := vfs.NewFaulty(vfs.NewMem(), seed)
		write(t, disk, "f", string(want))
		disk.Inject(vfs.Fault{Op: vfs.OpRead, Flip: true})
		return []byte(read(t, disk, "f"))
	}
	got, count := flipped(1), 0
	for i := range want {
		count += bits.OnesCount8(want[i] ^ got[i])
	}
	if count != 1 {
		t.Errorf("%d bits differ", count)
	}
	if !bytes.Equal(got, flipped(1)) {
		t.Error("the same seed flipped another bit")
	}
}
