package vfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/logarium/logarium/engine/vfs"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// writeSynced makes a durable file in the root.
func writeSynced(t *testing.T, disk vfs.FS, name, content string) {
	t.Helper()
	write(t, disk, name, content)
	f, err := disk.Open(name)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
	must(t, disk.SyncDir("."))
}

// entries lists the root as "name=content", files only.
func entries(t *testing.T, disk vfs.FS) []string {
	t.Helper()
	names, err := disk.List(".")
	must(t, err)
	for i, name := range names {
		names[i] = name + "=" + read(t, disk, name)
	}
	return names
}

func TestCrash_LoseAllKeepsWhatWasSynced(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, disk vfs.FS) // after the files a and b were synced with the content 1 and 2
		want []string
	}{
		{"nothing done", func(*testing.T, vfs.FS) {}, []string{"a=1", "b=2"}},
		{"overwritten", func(t *testing.T, disk vfs.FS) {
			f, err := disk.Open("a")
			must(t, err)
			_, err = f.WriteAt([]byte("xyz"), 0)
			must(t, err)
		}, []string{"a=1", "b=2"}},
		{"overwritten and synced", func(t *testing.T, disk vfs.FS) {
			f, err := disk.Open("a")
			must(t, err)
			_, err = f.WriteAt([]byte("xyz"), 0)
			must(t, err)
			must(t, f.Sync())
		}, []string{"a=xyz", "b=2"}},
		{"truncated", func(t *testing.T, disk vfs.FS) {
			f, err := disk.Open("a")
			must(t, err)
			must(t, f.Truncate(0))
		}, []string{"a=1", "b=2"}},
		{"truncated and grown", func(t *testing.T, disk vfs.FS) {
			f, err := disk.Open("a")
			must(t, err)
			must(t, f.Truncate(0))
			must(t, f.Truncate(2))
			must(t, f.Sync())
		}, []string{"a=\x00\x00", "b=2"}},
		{"created, name not synced", func(t *testing.T, disk vfs.FS) {
			f, err := disk.Create("c")
			must(t, err)
			must(t, f.Sync())
		}, []string{"a=1", "b=2"}},
		{"created, content not synced", func(t *testing.T, disk vfs.FS) {
			write(t, disk, "c", "3")
			must(t, disk.SyncDir("."))
		}, []string{"a=1", "b=2", "c="}},
		{"removed", func(t *testing.T, disk vfs.FS) { must(t, disk.Remove("a")) }, []string{"a=1", "b=2"}},
		{"removed and synced", func(t *testing.T, disk vfs.FS) {
			must(t, disk.Remove("a"))
			must(t, disk.SyncDir("."))
		}, []string{"b=2"}},
		{"replaced", func(t *testing.T, disk vfs.FS) { must(t, disk.Rename("a", "b")) }, []string{"a=1", "b=2"}},
		{"replaced and synced", func(t *testing.T, disk vfs.FS) {
			must(t, disk.Rename("a", "b"))
			must(t, disk.SyncDir("."))
		}, []string{"b=1"}},
		{"replaced, another removed after the sync", func(t *testing.T, disk vfs.FS) {
			must(t, disk.Rename("a", "b"))
			must(t, disk.SyncDir("."))
			must(t, disk.Remove("b"))
		}, []string{"b=1"}},
		{"a new folder, not synced", func(t *testing.T, disk vfs.FS) {
			must(t, disk.MkdirAll("d"))
			write(t, disk, "d/x", "1")
			must(t, disk.SyncDir("d"))
		}, []string{"a=1", "b=2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			disk := vfs.NewCrashable()
			writeSynced(t, disk, "a", "1")
			writeSynced(t, disk, "b", "2")
			test.do(t, disk)
			after := disk.Crash(seeded(1), vfs.LoseAll())
			if got := entries(t, after); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := entries(t, after.Crash(seeded(1), vfs.LoseAll())); !slices.Equal(got, test.want) {
				t.Errorf("a second crash changed it to %q", got)
			}
		})
	}
}

func TestCrash_RenameBetweenFoldersIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(50) {
		disk := vfs.NewCrashable()
		must(t, disk.MkdirAll("from"))
		must(t, disk.MkdirAll("to"))
		must(t, disk.SyncDir("."))
		write(t, disk, "from/x", "1")
		must(t, disk.SyncDir("from"))
		must(t, disk.Rename("from/x", "to/x"))
		after := disk.Crash(seeded(seed), vfs.PowerCut())
		from, err := after.List("from")
		must(t, err)
		to, err := after.List("to")
		must(t, err)
		if len(from)+len(to) != 1 {
			t.Fatalf("seed %d: from %q, to %q", seed, from, to)
		}
		seen[fmt.Sprint(from, to)] = true
	}
	if len(seen) != 2 {
		t.Errorf("always the same outcome: %v", seen)
	}
}

func TestCrash_SyncOfOneFolderLeavesTheOther(t *testing.T) {
	disk := vfs.NewCrashable()
	must(t, disk.MkdirAll("x"))
	must(t, disk.MkdirAll("y"))
	must(t, disk.SyncDir("."))
	write(t, disk, "x/1", "")
	write(t, disk, "y/1", "")
	must(t, disk.SyncDir("y"))
	after := disk.Crash(seeded(1), vfs.LoseAll())
	x, err := after.List("x")
	must(t, err)
	y, err := after.List("y")
	must(t, err)
	if len(x) != 0 || len(y) != 1 {
		t.Errorf("x %q, y %q", x, y)
	}
}

func TestCrash_OldDiskIsDead(t *testing.T) {
	for name, end := range map[string]func(*vfs.Mem) *vfs.Mem{
		"crash": func(m *vfs.Mem) *vfs.Mem { return m.Crash(seeded(1), vfs.PowerCut()) },
		"kill":  (*vfs.Mem).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewCrashable()
			f, err := disk.Create("a")
			must(t, err)
			_, err = disk.Lock("lock")
			must(t, err)
			after := end(disk)
			_, readErr := f.ReadAt(make([]byte, 1), 0)
			_, writeErr := f.WriteAt([]byte("x"), 0)
			_, openErr := disk.Open("a")
			_, lockErr := disk.Lock("other")
			for call, err := range map[string]error{
				"ReadAt": readErr, "WriteAt": writeErr, "Sync": f.Sync(), "Truncate": f.Truncate(1), "Close": f.Close(),
				"Open": openErr, "Lock": lockErr, "MkdirAll": disk.MkdirAll("d"), "RemoveAll": disk.RemoveAll("a"), "SyncDir": disk.SyncDir("."),
			} {
				if !errors.Is(err, vfs.ErrCrashed) {
					t.Errorf("%s: %v", call, err)
				}
			}
			if _, err := after.Lock("lock"); err != nil {
				t.Errorf("the lock of the dead is still held: %v", err)
			}
		})
	}
}

func TestKill_KeepsAllButAPowerCutMayStillLoseIt(t *testing.T) {
	disk := vfs.NewCrashable()
	writeSynced(t, disk, "a", "1")
	write(t, disk, "b", "2")
	after := disk.Kill()
	if got, want := entries(t, after), []string{"a=1", "b=2"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if got, want := entries(t, after.Crash(seeded(1), vfs.LoseAll())), []string{"a=1"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestCrash_SameSeedSameDisk(t *testing.T) {
	crash := func(seed uint64) string {
		disk := vfs.NewCrashable()
		for i := range 20 {
			write(t, disk, fmt.Sprint("f", i), strings.Repeat("x", 9000))
		}
		return strings.Join(entries(t, disk.Crash(seeded(seed), vfs.PowerCut())), "\n")
	}
	first, again, other := crash(7), crash(7), crash(8)
	if first != again {
		t.Error("the same seed gave two disks")
	}
	if first == other {
		t.Error("two seeds gave the same disk")
	}
}

// TestCrash_EverySectorIsOldOrNew writes, syncs, truncates and crashes at
// random: each sector of the file is afterwards what was synced, or what was
// written since, and a torn page changes side once.
func TestCrash_EverySectorIsOldOrNew(t *testing.T) {
	const sector, page = 512, 4096
	rapid.Check(t, func(rt *rapid.T) {
		disk := vfs.NewCrashable()
		f, err := disk.Create("f")
		must(t, err)
		must(t, disk.SyncDir("."))
		var synced, now []byte
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "op") {
			case 0:
				must(t, f.Sync())
				synced = bytes.Clone(now)
			case 1:
				size := rapid.IntRange(0, 20_000).Draw(rt, "size")
				must(t, f.Truncate(int64(size)))
				now = resize(now, size)
			default:
				at := rapid.IntRange(0, 15_000).Draw(rt, "at")
				data := bytes.Repeat([]byte{byte(step + 1)}, rapid.IntRange(1, 9_000).Draw(rt, "length"))
				_, err := f.WriteAt(data, int64(at))
				must(t, err)
				now = resize(now, max(len(now), at+len(data)))
				copy(now[at:], data)
			}
		}
		after := disk.Crash(seeded(rapid.Uint64().Draw(rt, "seed")), vfs.PowerCut())
		got := []byte(read(t, after, "f"))
		if low, high := min(len(synced), len(now)), max(len(synced), len(now)); len(got) < low || len(got) > high {
			rt.Fatalf("length %d is not between %d and %d", len(got), low, high)
		}
		was, is := resize(synced, len(got)), resize(now, len(got))
		for from := 0; from < len(got); from += page {
			sides := 0
			last := byte('?')
			for at := from; at < min(from+page, len(got)); at += sector {
				end := min(at+sector, len(got))
				isOld, isNew := bytes.Equal(got[at:end], was[at:end]), bytes.Equal(got[at:end], is[at:end])
				side := last
				switch {
				case isOld && isNew:
				case isOld:
					side = 'o'
				case isNew:
					side = 'n'
				default:
					rt.Fatalf("the sector at %d is neither old nor new", at)
				}
				if side != last {
					sides++
				}
				last = side
			}
			if sides > 2 {
				rt.Fatalf("the page at %d is torn more than once", from)
			}
		}
	})
}

// resize returns a copy of b with the length given, new bytes zero.
func resize(b []byte, size int) []byte {
	return append(make([]byte, 0, size), append(bytes.Clone(b), make([]byte, max(0, size-len(b)))...)[:size]...)
}

// TestCrash_NamesAreAStateTheyHad makes random changes of names in one folder:
// each name afterwards stands for something it stood for since the last sync.
func TestCrash_NamesAreAStateTheyHad(t *testing.T) {
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(rt *rapid.T) {
		disk := vfs.NewCrashable()
		had := map[string]map[string]bool{} // name to contents it may have, "" for none
		note := func(reset bool) {
			for _, name := range names {
				if reset || had[name] == nil {
					had[name] = map[string]bool{}
				}
				content := ""
				if _, err := disk.Stat(name); err == nil {
					content = read(t, disk, name)
				}
				had[name][content] = true
			}
		}
		note(true)
		for step := range rapid.IntRange(1, 15).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "name")
			_, err := disk.Stat(name)
			switch op := rapid.IntRange(0, 3).Draw(rt, "op"); {
			case op == 0:
				must(t, disk.SyncDir("."))
				note(true)
			case err != nil:
				f, err := disk.Create(name)
				must(t, err)
				_, err = f.WriteAt(fmt.Append(nil, step), 0)
				must(t, err)
				must(t, f.Sync())
			case op == 1:
				must(t, disk.Remove(name))
			default:
				must(t, disk.Rename(name, rapid.SampledFrom(names).Draw(rt, "to")))
			}
			note(false)
		}
		after := disk.Crash(seeded(rapid.Uint64().Draw(rt, "seed")), vfs.PowerCut())
		for _, name := range names {
			content := ""
			if _, err := after.Stat(name); err == nil {
				content = read(t, after, name)
			}
			if !had[name][content] {
				rt.Fatalf("%s is %q, and was one of %v", name, content, had[name])
			}
		}
	})
}

func TestCrash_NeedsACrashableDisk(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a disk that knows nothing of syncs crashed")
		}
	}()
	vfs.NewMem().Crash(seeded(1), vfs.LoseAll())
}
