package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a journal whose segments are full soon.
func small(fsys vfs.FS) Config {
	return Config{FS: fsys, SegmentBytes: 4 << 10, MaxBytes: 32 << 10}
}

// writer appends entries of one partition and remembers which were told.
type writer struct {
	key  Key
	next int64 // to append

	mu     sync.Mutex
	told   int64
	err    error
	change chan struct{}
}

func newWriter(broker, partition int32) *writer {
	return &writer{key: Key{broker, [16]byte{byte(broker), 7}, partition}, change: make(chan struct{}, 1)}
}

func (w *writer) Journaled(next int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && next <= w.told {
		err = fmt.Errorf("told of %d after %d", next, w.told)
	}
	if err != nil {
		w.err = err
	} else {
		w.told = next
	}
	select {
	case w.change <- struct{}{}:
	default:
	}
}

func (w *writer) state() (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told, w.err
}

// entry is the next one: n offsets, with bytes that follow from the offset.
func (w *writer) entry(n int64, size int) Entry {
	e := Entry{Key: w.key, Epoch: 3, First: w.next, Next: w.next + n, Batches: content(w.next, size)}
	w.next += n
	return e
}

func content(first int64, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(first*31 + int64(i))
	}
	if size >= 8 {
		binary.LittleEndian.PutUint64(b, uint64(first))
	}
	return b
}

// wait waits until everything that was appended is told.
func (w *writer) wait(t testing.TB) {
	t.Helper()
	for {
		told, err := w.state()
		if err != nil {
			t.Fatal(err)
		}
		if told == w.next {
			return
		}
		<-w.change
	}
}

func open(t testing.TB, cfg Config) *Journal {
	t.Helper()
	j, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func start(t testing.TB, cfg Config) *Journal {
	t.Helper()
	j := open(t, cfg)
	if err := j.Start(); err != nil {
		t.Fatal(err)
	}
	return j
}

func closeJournal(t testing.TB, j *Journal, clean bool) {
	t.Helper()
	if err := j.Close(clean); err != nil {
		t.Fatal(err)
	}
}

func appendAll(t testing.TB, j *Journal, w *writer, sizes ...int) {
	t.Helper()
	for _, size := range sizes {
		if err := j.Append(w.entry(1, size), w); err != nil {
			t.Fatal(err)
		}
	}
}

// recovered holds what is recovered of each key against what must be: dense
// from the first on, with the right bytes. It returns the end of each key.
func recovered(t testing.TB, j *Journal) map[Key]int64 {
	t.Helper()
	return recoveredWithGaps(t, j, false)
}

func recoveredWithGaps(t testing.TB, j *Journal, gaps bool) map[Key]int64 {
	t.Helper()
	ends := map[Key]int64{}
	if err := j.Recover(func(e Entry) error {
		if have, ok := ends[e.Key]; ok && have != e.First && !(gaps && have < e.First) {
			t.Errorf("%v: the entry at %d comes after %d", e.Key, e.First, have)
		}
		if e.Epoch != 3 || string(e.Batches) != string(content(e.First, len(e.Batches))) {
			t.Errorf("%v: the entry at %d is not what was appended", e.Key, e.First)
		}
		ends[e.Key] = e.Next
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return ends
}

func TestJournal_RecoversWhatWasAcknowledged(t *testing.T) {
	fsys := vfs.NewCrashable()
	j := start(t, small(fsys))
	a, b := newWriter(1, 0), newWriter(2, 5)
	for i := range 60 {
		appendAll(t, j, a, i*7, 0, 300)
		appendAll(t, j, b, 1000)
	}
	appendAll(t, j, a, 9000) // larger than a segment
	appendAll(t, j, b, 1)
	a.wait(t)
	b.wait(t)
	live := recovered(t, j)
	after := fsys.Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseAll())
	closeJournal2(t, j)
	j = open(t, small(after))
	ends := recovered(t, j)
	for _, w := range []*writer{a, b} {
		if ends[w.key] != w.next || live[w.key] != w.next {
			t.Errorf("%v ends at %d, %d while it ran, and not at %d", w.key, ends[w.key], live[w.key], w.next)
		}
	}
	if len(j.Damaged()) > 0 {
		t.Errorf("damage: %v", j.Damaged())
	}
	closeJournal(t, j, false)
}

// closeJournal2 ends a journal whose disk is dead.
func closeJournal2(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(false); err == nil {
		t.Fatal("closing on a dead disk worked")
	}
}

func TestJournal_GoesOnAfterEachStart(t *testing.T) {
	fsys := vfs.NewCrashable()
	w := newWriter(1, 0)
	rng := rand.New(rand.NewPCG(2, 2))
	for round := range 20 {
		j := start(t, small(fsys))
		if end := recovered(t, j)[w.key]; end != w.next {
			t.Fatalf("round %d: it ends at %d and not at %d", round, end, w.next)
		}
		appendAll(t, j, w, rng.IntN(3000), rng.IntN(3000), 40)
		w.wait(t)
		fsys = fsys.Crash(rng, vfs.PowerCut())
		closeJournal2(t, j)
	}
}

func TestJournal_CleanCloseLeavesNothing(t *testing.T) {
	fsys := vfs.NewCrashable()
	w := newWriter(1, 0)
	j := start(t, small(fsys))
	appendAll(t, j, w, 3000, 3000, 3000)
	closeJournal(t, j, true)
	if told, err := w.state(); told != 3 || err != nil {
		t.Fatalf("told %d, %v: close must wait for what was appended", told, err)
	}
	j = open(t, small(fsys.Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseAll())))
	if ends := recovered(t, j); len(ends) > 0 {
		t.Errorf("recovered %v", ends)
	}
	if err := j.Append(w.entry(1, 1), w); err == nil {
		closeJournal(t, j, false)
	}
}

func TestJournal_ReleasesWhatIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewCrashable()
		cfg := small(fsys)
		var checkpoints atomic.Int64
		cfg.Checkpoint = func(context.Context, []Mark) error {
			checkpoints.Add(1)
			return nil
		}
		w := newWriter(1, 0)
		j := start(t, cfg)
		for range 200 {
			if err := j.Admit(t.Context()); err != nil {
				t.Fatal(err)
			}
			appendAll(t, j, w, 900)
			synctest.Wait()
		}
		if n := checkpoints.Load(); n < 5 {
			t.Errorf("%d checkpoints", n)
		}
		names, err := fsys.List(".")
		if err != nil || len(names) > 12 {
			t.Errorf("the folder grew to %v, %v", names, err)
		}
		time.Sleep(2 * j.cfg.CheckpointInterval) // the lazy one
		synctest.Wait()
		if ends := recovered(t, j); len(ends) > 0 {
			t.Errorf("after the lazy checkpoint there is %v", ends)
		}
		n := checkpoints.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		if more := checkpoints.Load() - n; more != 0 {
			t.Errorf("%d checkpoints without anything new", more)
		}
		closeJournal(t, j, false)
		j = open(t, small(fsys))
		if ends := recovered(t, j); len(ends) > 0 {
			t.Errorf("recovered %v of what was released", ends)
		}
		closeJournal(t, j, false)
	})
}

func TestJournal_KeepsWhatCannotBeSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewCrashable()
		cfg := small(fsys)
		down, other := newWriter(2, 0), newWriter(1, 0)
		isDown := true
		cfg.Checkpoint = func(_ context.Context, marks []Mark) error {
			u := &Unsynced{Err: errors.New("broker 2 is down")}
			for _, m := range marks {
				if isDown && m.Broker == 2 {
					u.Marks = append(u.Marks, m)
				}
			}
			if len(u.Marks) > 0 {
				return u
			}
			return nil
		}
		j := start(t, cfg)
		for range 4 {
			appendAll(t, j, down, 1500)
			appendAll(t, j, other, 1500)
			synctest.Wait()
		}
		for range 200 { // goes round many times
			if err := j.Admit(t.Context()); err != nil {
				t.Fatal(err)
			}
			appendAll(t, j, other, 1500)
			synctest.Wait()
		}
		if end := recoveredWithGaps(t, j, true)[down.key]; end != 4 {
			t.Errorf("of the broker that is down, %d are left", end)
		}
		fsys = fsys.Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseAll())
		closeJournal2(t, j)
		cfg.FS = fsys
		j = start(t, cfg)
		ends := recoveredWithGaps(t, j, true)
		if ends[down.key] != 4 || ends[other.key] != other.next {
			t.Errorf("recovered %v", ends)
		}
		if len(j.Damaged()) > 0 {
			t.Errorf("damage: %v", j.Damaged())
		}
		isDown = false
		if err := j.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ends := recoveredWithGaps(t, j, true); len(ends) > 0 {
			t.Errorf("after the broker is back there is %v", ends)
		}
		closeJournal(t, j, false)
	})
}

func TestJournal_FullWaitsAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := small(vfs.NewMem())
		stuck := errors.New("not now")
		allowed := make(chan struct{})
		cfg.Checkpoint = func(context.Context, []Mark) error {
			select {
			case <-allowed:
				return nil
			default:
				return stuck
			}
		}
		w := newWriter(1, 0)
		j := start(t, cfg)
		var err error
		for err == nil && w.next < 1000 {
			if err = j.Admit(t.Context()); err == nil {
				appendAll(t, j, w, 900)
				synctest.Wait()
			}
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("after %d appends: %v", w.next, err)
		}
		w.wait(t) // what was admitted is durable
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := j.Admit(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ends: %v", err)
		}
		close(allowed)
		if err := j.Admit(t.Context()); err != nil {
			t.Errorf("with room again: %v", err)
		}
		closeJournal(t, j, false)
		if err := j.Admit(t.Context()); !errors.Is(err, ErrClosed) {
			t.Logf("a closed journal admits: %v", err)
		}
	})
}

func TestJournal_FailsStop(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpSync} {
		t.Run(string(op), func(t *testing.T) {
			fsys := vfs.NewFaulty(vfs.NewMem(), 1)
			cfg := small(fsys)
			cfg.Hub = event.New()
			j := start(t, cfg)
			w := newWriter(1, 0)
			appendAll(t, j, w, 100)
			w.wait(t)
			remove := fsys.Inject(vfs.Fault{Op: op, Path: "journal-*.log", Err: syscall.EIO})
			err := j.Append(w.entry(1, 100), w)
			for err == nil {
				if _, err = w.state(); err == nil {
					<-w.change
				}
			}
			if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
				t.Errorf("the waiter got %v", err)
			}
			remove()
			if err := j.Append(w.entry(1, 100), w); !errors.Is(err, ErrFailed) {
				t.Errorf("after the failure an append got %v", err)
			}
			if err := j.Admit(t.Context()); err != nil && !errors.Is(err, ErrFailed) {
				t.Errorf("after the failure: %v", err)
			}
			if told, _ := w.state(); told != 1 {
				t.Errorf("told %d", told)
			}
			events, _ := cfg.Hub.Since(0, 10)
			if len(events) != 1 || events[0].Kind != event.BrokerFailed {
				t.Errorf("events %v", events)
			}
			closeJournal(t, j, true)
			j = open(t, cfg)
			if end := recovered(t, j)[w.key]; end < 1 {
				t.Errorf("what was acknowledged is gone")
			}
			closeJournal(t, j, false)
		})
	}
}

func TestJournal_DiskFullWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewFaulty(vfs.NewMem(), 1)
		j := start(t, small(fsys))
		synctest.Wait() // one segment is made ahead
		remove := fsys.Inject(vfs.Fault{Op: vfs.OpWrite, Path: "*.new", Err: syscall.ENOSPC})
		w := newWriter(1, 0)
		for range 20 {
			appendAll(t, j, w, 1000)
			synctest.Wait()
		}
		told, err := w.state()
		if told == w.next || err != nil {
			t.Fatalf("told %d of %d, %v", told, w.next, err)
		}
		remove()
		time.Sleep(time.Minute)
		if told, err := w.state(); told != w.next || err != nil {
			t.Errorf("with space again: told %d of %d, %v", told, w.next, err)
		}
		closeJournal(t, j, false)
	})
}

func TestJournal_CloseWhileWaitingForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewFaulty(vfs.NewMem(), 1)
		j := start(t, small(fsys))
		synctest.Wait()
		fsys.Inject(vfs.Fault{Op: vfs.OpWrite, Path: "*.new", Err: syscall.ENOSPC})
		w := newWriter(1, 0)
		appendAll(t, j, w, 3000, 3000, 3000, 3000, 3000)
		synctest.Wait()
		closeJournal(t, j, false)
		if told, err := w.state(); told >= w.next || !errors.Is(err, ErrClosed) {
			t.Errorf("told %d, %v", told, err)
		}
	})
}

func TestJournal_OneSyncForAllThatWaits(t *testing.T) {
	for _, alone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fsys := vfs.NewFaulty(vfs.NewMem(), 1)
			cfg := Config{FS: fsys, EachAlone: alone}
			j := start(t, cfg)
			synctest.Wait()
			syncs := 0
			fsys.Inject(vfs.Fault{Op: vfs.OpSync, Path: "journal-*", Delay: time.Millisecond, Do: func(vfs.Op, string) { syncs++ }})
			ws := make([]*writer, 50)
			for i := range ws {
				ws[i] = newWriter(int32(i%3), int32(i))
				appendAll(t, j, ws[i], 200)
			}
			time.Sleep(time.Second)
			for _, w := range ws {
				if told, err := w.state(); told != 1 || err != nil {
					t.Fatalf("told %d, %v", told, err)
				}
			}
			if want := map[bool]int{false: 2, true: 50}[alone]; syncs > want || alone && syncs < want {
				t.Errorf("alone %v: %d syncs", alone, syncs)
			}
			closeJournal(t, j, false)
		})
	}
}
