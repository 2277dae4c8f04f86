package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// committed reads a log as a reader of committed records does: the records, and
// how many control batches there are.
func committed(t *testing.T, l *Log) (records map[int64]string, markers int) {
	t.Helper()
	records = map[int64]string{}
	stable := l.LastStable(l.End())
	for next := l.Start(); next < stable; {
		b, err := l.Read(nil, next, stable, 700, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			break
		}
		aborted := mustAborted(t, l, next, stable)
		slices.SortFunc(aborted, func(a, b AbortedTxn) int { return int(a.First - b.First) })
		skip := map[int64]bool{}
		for one := range batch.Split(b) {
			h, err := batch.Validate(one, stored)
			if err != nil {
				t.Fatal(err)
			}
			next = h.LastOffset() + 1
			for len(aborted) > 0 && aborted[0].First <= h.LastOffset() {
				skip[aborted[0].ProducerID] = true
				aborted = aborted[1:]
			}
			if h.IsControl() {
				markers++
				if m, ok, err := batch.ReadMarker(one); err != nil {
					t.Fatal(err)
				} else if ok && !m.Commit {
					delete(skip, h.ProducerID)
				}
				continue
			}
			if h.IsTransactional() && skip[h.ProducerID] {
				continue
			}
			for r, err := range batch.Records(one, stored) {
				if err != nil {
					t.Fatal(err)
				}
				records[r.Offset] = fmt.Sprintf("%s=%s", r.Key, r.Value)
			}
		}
	}
	return records, markers
}

// newest is the last record of each key.
func newest(records map[int64]string) map[string]string {
	last := map[string]string{}
	for _, o := range slices.Sorted(maps.Keys(records)) {
		var key, value string
		for i, c := range records[o] {
			if c == '=' {
				key, value = records[o][:i], records[o][i+1:]
				break
			}
		}
		last[key] = fmt.Sprintf("%d:%s", o, value)
	}
	return last
}

func TestCompactTransactions(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		disk := vfs.NewMem()
		o := compactOptions(disk)
		l, _ := mustOpen(t, o)
		sequences := map[int64]int32{}
		now := testNow
		markers := 0
		for round := range 8 {
			if round < 3 {
				txnRun(t, l, rng, sequences, 120)
			} else if round == 3 {
				for _, p := range l.Producers() {
					endTxn(t, l, p.ID, 0, rng.IntN(2) == 0)
				}
			}
			before, _ := committed(t, l)
			stable, producers := l.LastStable(l.End()), producersOf(l)
			compactNow(t, l, now)
			var after map[int64]string
			after, markers = committed(t, l)
			if !maps.Equal(newest(before), newest(after)) {
				t.Fatalf("seed %d: the newest were %v, are %v", seed, newest(before), newest(after))
			}
			for offset, r := range after {
				if before[offset] != r {
					t.Fatalf("seed %d: offset %d has %q, had %q", seed, offset, r, before[offset])
				}
			}
			if got := l.LastStable(l.End()); got != stable {
				t.Fatalf("seed %d: last stable offset %d, was %d", seed, got, stable)
			}
			// All that is known besides must be found in the batches again.
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
			for _, suffix := range []string{snapshotSuffix, indexSuffix, txnIndexSuffix} {
				dropFiles(t, disk, suffix)
			}
			l, _ = mustOpen(t, o)
			if again, _ := committed(t, l); !maps.Equal(again, after) || l.LastStable(l.End()) != stable || !maps.Equal(producersOf(l), producers) {
				t.Fatalf("seed %d: opened again: %v, not %v; stable %d, not %d; producers %v, not %v",
					seed, again, after, l.LastStable(l.End()), stable, producersOf(l), producers)
			}
			now = now.Add(2 * time.Hour) // past delete.retention.ms
			// Each run needs something dirty.
			if err := l.Roll(now); err != nil {
				t.Fatal(err)
			}
			put(t, l, batch.None, "k0", fmt.Sprint("round", round))
			if err := l.Roll(now); err != nil {
				t.Fatal(err)
			}
		}
		if markers > 30 {
			t.Errorf("seed %d: %d markers are left of some 100", seed, markers)
		}
	}
}

// TestMarkersWaitForTheirTime has one aborted transaction: its records go at
// once, its marker after two more runs, delete.retention.ms apart.
func TestMarkersWaitForTheirTime(t *testing.T) {
	l, _ := mustOpen(t, compactOptions(vfs.NewMem()))
	mustAppend(t, l, txnBatch(9, 0, 0, 2))
	endTxn(t, l, 9, 0, false)
	mustAppend(t, l, producerBatchKeyed(9, 0, 2, "other"))
	now, step := testNow, 0
	for _, want := range []struct{ data, markers, aborted int }{{0, 1, 1}, {0, 1, 0}, {0, 1, 0}, {0, 0, 0}} {
		put(t, l, batch.None, "k", fmt.Sprint("v", step))
		if err := l.Roll(now); err != nil {
			t.Fatal(err)
		}
		put(t, l, batch.None, "k", "active")
		if step == 3 {
			now = now.Add(2 * time.Hour)
		}
		compactNow(t, l, now)
		data, markers := 0, 0
		if err := l.eachHeader(l.view.Load().segments[0], func(sc *scanner) {
			switch {
			case sc.header.IsControl():
				markers++
			case sc.header.IsTransactional():
				data++
			}
		}); err != nil {
			t.Fatal(err)
		}
		if aborted := len(mustAborted(t, l, 0, l.End())); data != want.data || markers != want.markers || aborted != want.aborted {
			t.Errorf("run %d: %d batches, %d markers, %d aborted in the index; want %+v", step, data, markers, aborted, want)
		}
		step++
	}
}

func producerBatchKeyed(id int64, epoch int16, sequence int32, key string) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{Producer: true, ProducerID: id, Epoch: epoch, Sequence: sequence})
	b.Append(testNow.UnixMilli(), []byte(key), []byte("v"), nil)
	return b.Build()
}

func TestOpenTransactionsAreNotCompacted(t *testing.T) {
	l, _ := mustOpen(t, compactOptions(vfs.NewMem()))
	for range 10 {
		put(t, l, batch.None, "k", "old")
	}
	if err := l.Roll(testNow); err != nil {
		t.Fatal(err)
	}
	first := l.End()
	mustAppend(t, l, txnBatch(1, 0, 0, 2))
	for range 100 {
		put(t, l, batch.None, "k", "new")
	}
	if c := compactNow(t, l, testNow); c.Through != first {
		t.Errorf("compacted through %d, a transaction is open since %d", c.Through, first)
	}
	o := l.Config()
	o.CleanupDelete, o.RetentionBytes = true, 0
	l.SetConfig(o)
	if deleted, err := l.Retain(testNow, l.End()); err != nil || deleted[len(deleted)-1].End > first {
		t.Errorf("deleted %+v, %v; a transaction is open since %d", deleted, err, first)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := compactOptions(vfs.NewMem())
		o.Throttle = NewThrottle(1000)
		l, _ := mustOpen(t, o)
		for i := range 200 {
			put(t, l, batch.None, fmt.Sprint("k", i%7), fmt.Sprint("v", i))
		}
		began := time.Now()
		c := compactNow(t, l, testNow)
		// Read once for the keys, once to rewrite, and written.
		bytes := 2*c.BytesBefore + c.BytesAfter
		if took := time.Since(began).Seconds(); took < float64(bytes)/1000*0.9 || took > float64(bytes)/1000*1.1 {
			t.Errorf("%d bytes took %v s at 1000 bytes a second", bytes, took)
		}
		put(t, l, batch.None, "k", "v")
		if err := l.Roll(testNow); err != nil {
			t.Fatal(err)
		}
		put(t, l, batch.None, "k", "v")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if c, err := l.Compact(ctx, testNow, l.End()); err != nil || c.Through > 0 {
			t.Errorf("ended early: %+v, %v", c, err)
		}
		if err := o.Throttle.wait(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestClock(t *testing.T) {
	var c clock
	c.adjust(testNow, 0)
	jumped := testNow.Add(10 * 365 * 24 * time.Hour)
	if got := c.adjust(jumped, time.Minute); !got.Equal(testNow.Add(2 * time.Minute)) {
		t.Errorf("after a minute, a clock that jumped is believed to have gone on by %v", got.Sub(testNow))
	}
	back := testNow.Add(-time.Hour)
	if got := c.adjust(back, time.Minute); !got.Equal(back) {
		t.Errorf("set back to %v, taken for %v", back, got)
	}
	if got := c.at(back.Add(time.Hour)); !got.Equal(back.Add(time.Hour)) {
		t.Errorf("an hour later it is %v", got)
	}
}
