package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"context"

	"github.com/logarium/logarium/engine/vfs"
)

// script appends, checkpoints, closes and starts again, until its disk is dead.
// It returns what it was told of each writer, and what was released.
func script(fsys vfs.FS, rng *rand.Rand) (ws []*writer, synced map[Key]int64, ended bool) {
	synced = map[Key]int64{}
	ws = []*writer{newWriter(1, 0), newWriter(2, 1), newWriter(1, 2)}
	cfg := small(fsys)
	cfg.SegmentBytes, cfg.MaxBytes = 2<<10, 16<<10
	cfg.Checkpoint = func(_ context.Context, marks []Mark) error {
		for _, m := range marks {
			synced[m.Key] = max(synced[m.Key], m.Next)
		}
		return nil
	}
	for round := range 3 {
		j, err := Open(cfg)
		if err != nil {
			return ws, synced, false
		}
		if err := j.Start(); err != nil {
			_ = j.Close(false)
			return ws, synced, false
		}
		synctest.Wait()
		for range 6 {
			for _, w := range ws {
				size := rng.IntN(700)
				w.mu.Lock()
				e := w.entry(1+rng.Int64N(3), size)
				w.mu.Unlock()
				if err := j.Append(e, w); err != nil {
					w.next = e.First
				}
				if rng.IntN(3) == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
		}
		if round == 1 {
			_ = j.Checkpoint(context.Background())
			synctest.Wait()
		}
		err = j.Close(false)
		if err != nil || j.Err() != ErrClosed {
			return ws, synced, false
		}
	}
	return ws, synced, true
}

// TestJournal_PowerCutAtEveryCall cuts the power at each call of a run: all that
// was acknowledged is recovered, in order, once, and no damage is found where
// there is none.
func TestJournal_PowerCutAtEveryCall(t *testing.T) {
	seeds := 3
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		for cut := 1; ; cut++ {
			done := false
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewCrashable()
				faulty := vfs.NewFaulty(disk, seed)
				rng := rand.New(rand.NewPCG(seed, uint64(cut)))
				var after *vfs.Mem
				var calls atomic.Int64
				faulty.Inject(vfs.Fault{Do: func(vfs.Op, string) {
					if calls.Add(1) == int64(cut) {
						cfg := vfs.PowerCut()
						if seed == 0 {
							cfg = vfs.LoseAll()
						}
						after = disk.Crash(rng, cfg)
					}
				}})
				ws, synced, ended := script(faulty, rand.New(rand.NewPCG(seed, 99)))
				if after == nil {
					if done = ended; !ended {
						t.Fatal("the script failed without a crash")
					}
					return
				}
				checkRecovered(t, fmt.Sprintf("seed %d, cut at call %d", seed, cut), after, ws, synced)
			})
			if t.Failed() {
				return
			}
			if done {
				t.Logf("seed %d: %d calls", seed, cut)
				break
			}
		}
	}
}

func checkRecovered(t *testing.T, when string, disk *vfs.Mem, ws []*writer, synced map[Key]int64) {
	t.Helper()
	cfg := small(disk)
	for range 2 { // recovering changes nothing that matters
		j, err := Open(cfg)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if len(j.Damaged()) > 0 {
			t.Fatalf("%s: damage %v", when, j.Damaged())
		}
		ends := map[Key]int64{}
		if err := j.Recover(func(e Entry) error {
			// What is released may come back or not, whole segments at a time.
			if have := ends[e.Key]; e.First < have || e.First > max(have, synced[e.Key]) {
				return fmt.Errorf("%v: the entry at %d comes after %d, %d are released", e.Key, e.First, ends[e.Key], synced[e.Key])
			}
			if string(e.Batches) != string(content(e.First, len(e.Batches))) {
				return errors.New("other bytes")
			}
			ends[e.Key] = e.Next
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		for _, w := range ws {
			if told, _ := w.state(); max(ends[w.key], synced[w.key]) < told {
				t.Fatalf("%s: %v ends at %d, %d are released, %d were acknowledged", when, w.key, ends[w.key], synced[w.key], told)
			}
		}
		if err := j.Close(false); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
}

// written makes a small journal of known entries, all of them acknowledged, as
// a kill leaves it.
func written(t *testing.T, sizes ...int) (*vfs.Mem, *writer) {
	fsys := vfs.NewMem()
	w := newWriter(1, 0)
	cfg := small(fsys)
	cfg.SegmentBytes = 2 << 10
	j := start(t, cfg)
	for _, size := range sizes {
		appendAll(t, j, w, size)
		w.wait(t)
	}
	closeJournal(t, j, false)
	return fsys, w
}

func files(t *testing.T, fsys vfs.FS) map[string][]byte {
	t.Helper()
	names, err := fsys.List(".")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[name], err = vfs.ReadFile(fsys, name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func disk(t testing.TB, content map[string][]byte) *vfs.Mem {
	t.Helper()
	fsys := vfs.NewMem()
	for name, b := range content {
		f, err := fsys.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return fsys
}

// readAll returns the first offset of each entry that is read, and the damage.
func readAll(t *testing.T, fsys vfs.FS) (firsts []int64, sum StoredSummary) {
	t.Helper()
	sum, err := ReadStored(fsys, func(f StoredFrame) error {
		if string(f.Batches) != string(content(f.First, len(f.Batches))) {
			t.Fatalf("the entry at %d has other bytes", f.First)
		}
		firsts = append(firsts, f.First)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return firsts, sum
}

// TestJournal_EveryFlippedByte flips a bit of every byte of a journal: either
// that is of no consequence, or it is reported and costs no other entry.
func TestJournal_EveryFlippedByte(t *testing.T) {
	fsys, w := written(t, 30, 500, 0, 900, 700, 120, 64)
	clean := files(t, fsys)
	for name, b := range clean {
		for at := range b {
			flipped := append([]byte(nil), b...)
			flipped[at] ^= 1 << (at % 8)
			clean[name] = flipped
			firsts, sum := readAll(t, disk(t, clean))
			lost := int(w.next) - len(firsts)
			switch {
			case lost == 0:
			case lost > 1:
				t.Fatalf("%s, byte %d: only %v are read", name, at, firsts)
			case len(sum.Damage) == 0:
				t.Fatalf("%s, byte %d: an acknowledged entry is gone, and nothing is said: %v", name, at, firsts)
			}
			if _, err := Open(small(disk(t, clean))); err != nil {
				t.Fatalf("%s, byte %d: %v", name, at, err)
			}
		}
		clean[name] = b
	}
}

// TestJournal_EveryLostPage zeroes or brings back what was on each sector.
func TestJournal_EveryLostSector(t *testing.T) {
	fsys, w := written(t, 30, 500, 0, 900, 700, 120, 64)
	clean := files(t, fsys)
	for name, b := range clean {
		for at := 0; at+sectorSize <= len(b); at += sectorSize {
			for _, n := range []int{sectorSize, 4096} {
				lost := append([]byte(nil), b...)
				clear(lost[at:min(at+n, len(b))])
				clean[name] = lost
				firsts, sum := readAll(t, disk(t, clean))
				// The last group and the seal behind it on one page: nothing is left to tell of them.
				if len(firsts) < int(w.next)-1 && len(sum.Damage) == 0 {
					t.Fatalf("%s, %d bytes at %d: only %v are read, and nothing is said", name, n, at, firsts)
				}
			}
		}
		clean[name] = b
	}
}

// TestJournal_EveryTornEnd cuts the last write, which was never acknowledged, at
// every byte.
func TestJournal_EveryTornEnd(t *testing.T) {
	before, w := written(t, 100, 200)
	fsys := disk(t, files(t, before))
	j := start(t, small(fsys))
	recovered(t, j)
	appendAll(t, j, w, 50)
	w.wait(t)
	synced := files(t, fsys) // without what follows
	if err := j.Append(w.entry(1, 700), w); err != nil {
		t.Fatal(err)
	}
	w.wait(t)
	all := files(t, fsys)
	closeJournal(t, j, false)
	for name, b := range all {
		old, ok := synced[name]
		if !ok || string(old) == string(b) {
			continue
		}
		for at := 0; at < len(b); at++ {
			if old[at] == b[at] {
				continue
			}
			torn := append(append([]byte(nil), b[:at]...), old[at:]...)
			firsts, sum := readAll(t, disk(t, map[string][]byte{name: torn, saltFile: all[saltFile]}))
			if len(sum.Damage) > 0 || len(firsts) == 0 {
				t.Fatalf("torn at %d: %v, damage %v", at, firsts, sum.Damage)
			}
		}
	}
}

func TestJournal_FailedReadIsNoEnd(t *testing.T) {
	fsys, _ := written(t, 100, 200)
	faulty := vfs.NewFaulty(fsys, 1)
	faulty.Inject(vfs.Fault{Op: vfs.OpRead, Path: "journal-*", Err: syscall.EIO})
	if _, err := Open(small(faulty)); !errors.Is(err, syscall.EIO) {
		t.Errorf("Open with a disk that cannot be read: %v", err)
	}
}

func FuzzReadStored(f *testing.F) {
	t := new(testing.T)
	fsys, _ := written(t, 30, 500, 0, 900)
	for name, b := range files(t, fsys) {
		if g, ok := parseName(name, usedPrefix); ok {
			f.Add(g, b)
		}
	}
	salt := files(t, fsys)[saltFile]
	f.Fuzz(func(t *testing.T, generation uint64, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		d := disk(t, map[string][]byte{usedName(1): b, usedName(generation): b, saltFile: salt})
		var first []int64
		for range 2 {
			var firsts []int64
			if _, err := ReadStored(d, func(f StoredFrame) error {
				if checksum(f.Batches) == 0 && len(f.Batches) > 4 {
					return nil
				}
				firsts = append(firsts, f.First)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if first != nil && len(first) != len(firsts) {
				t.Fatalf("read %v, then %v", first, firsts)
			}
			first = firsts
		}
		j, err := Open(Config{FS: d})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(false); err != nil {
			t.Fatal(err)
		}
	})
}
