package storage

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

func compactOptions(fs vfs.FS) Options {
	o := testOptions(fs)
	o.Config.CleanupDelete, o.Config.CleanupCompact = false, true
	o.Config.MinCleanableRatio = 0
	o.Config.DeleteRetention = time.Hour
	return o
}

// state is the last value of each key as a reader sees it, and the offsets.
func state(t *testing.T, l *Log) (last map[string]string, offsets []int64) {
	t.Helper()
	last = map[string]string{}
	for next := l.Start(); next < l.End(); {
		b, err := l.Read(nil, next, l.End(), 1000, true)
		if err != nil {
			t.Fatal(err)
		}
		for one := range batch.Split(b) {
			h, err := batch.Validate(one, stored)
			if err != nil {
				t.Fatal(err)
			}
			for r, err := range batch.Records(one, stored) {
				if err != nil {
					t.Fatal(err)
				}
				offsets = append(offsets, r.Offset)
				last[string(r.Key)] = string(r.Value)
				if r.Value == nil {
					last[string(r.Key)] = "(tombstone)"
				}
			}
			next = h.LastOffset() + 1
		}
	}
	return last, offsets
}

func put(t *testing.T, l *Log, c batch.Codec, pairs ...string) {
	t.Helper()
	b := batch.NewBuilder(batch.BuilderOptions{Codec: c})
	for i := 0; i < len(pairs); i += 2 {
		value := []byte(pairs[i+1])
		if pairs[i+1] == "" {
			value = nil
		}
		b.Append(testNow.UnixMilli(), []byte(pairs[i]), value, []batch.RecordHeader{{Key: "h", Value: []byte("v")}})
	}
	mustAppend(t, l, b.Build())
}

func compactNow(t *testing.T, l *Log, now time.Time) Compacted {
	t.Helper()
	c, err := l.Compact(t.Context(), now, l.End())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompact(t *testing.T) {
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		t.Run(codec.String(), func(t *testing.T) {
			fs := vfs.NewMem()
			l, _ := mustOpen(t, compactOptions(fs))
			for i := range 300 {
				put(t, l, codec, fmt.Sprint("k", i%7), fmt.Sprint("v", i), fmt.Sprint("once", i%100), fmt.Sprint("w", i))
			}
			before, _ := state(t, l)
			size, end, start := l.Size(), l.End(), l.Start()
			active := l.Segments()[len(l.Segments())-1].Base
			c := compactNow(t, l, testNow)
			if !c.Ran || c.Through != active || c.BytesAfter >= c.BytesBefore || l.Size() >= size {
				t.Fatalf("compacted %+v, %d bytes of %d are left", c, l.Size(), size)
			}
			after, offsets := state(t, l)
			if !maps.Equal(after, before) {
				t.Errorf("after it %v, before %v", after, before)
			}
			if l.End() != end || l.Start() != start || !slices.IsSorted(offsets) {
				t.Errorf("it has %d to %d: %v", l.Start(), l.End(), offsets)
			}
			below := 0
			for _, o := range offsets {
				if o < active {
					below++
				}
			}
			if below > 107 {
				t.Errorf("%d records are left of 107 keys", below)
			}
			if again := compactNow(t, l, testNow); again.Ran {
				t.Errorf("compacted again with nothing dirty: %+v", again)
			}
			checkIndexes(t, l)
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
			l, r := mustOpen(t, compactOptions(fs))
			if got, _ := state(t, l); !maps.Equal(got, before) || len(r.Corrupt) > 0 {
				t.Errorf("opened again: %v, %+v", got, r)
			}
		})
	}
}

func TestCompactTombstones(t *testing.T) {
	l, _ := mustOpen(t, compactOptions(vfs.NewMem()))
	put(t, l, batch.None, "a", "1", "b", "1")
	put(t, l, batch.None, "a", "", "c", "1")
	roll := func() {
		t.Helper()
		if err := l.Roll(testNow); err != nil {
			t.Fatal(err)
		}
	}
	roll()
	compactNow(t, l, testNow)
	if got, offsets := state(t, l); got["a"] != "(tombstone)" || !slices.Equal(offsets, []int64{1, 2, 3}) {
		t.Errorf("after the first run %v at %v", got, offsets)
	}
	put(t, l, batch.None, "d", "1")
	roll()
	compactNow(t, l, testNow.Add(59*time.Minute))
	if got, _ := state(t, l); got["a"] != "(tombstone)" {
		t.Errorf("before delete.retention.ms %v", got)
	}
	put(t, l, batch.None, "e", "1")
	roll()
	compactNow(t, l, testNow.Add(time.Hour))
	if got, offsets := state(t, l); got["a"] != "" || !slices.Equal(offsets, []int64{1, 3, 4, 5}) {
		t.Errorf("after delete.retention.ms %v at %v", got, offsets)
	}
	if at, _, _, err := l.OffsetForTime(testNow.UnixMilli()); err != nil || at != 1 {
		t.Errorf("timestamps were changed: %d, %v", at, err)
	}
}

func TestCompactKeepsSequences(t *testing.T) {
	fs := vfs.NewMem()
	o := compactOptions(fs)
	l, _ := mustOpen(t, o)
	keyed := func(id int64, sequence int32) []byte {
		b := batch.NewBuilder(batch.BuilderOptions{Producer: true, ProducerID: id, Sequence: sequence})
		b.Append(testNow.UnixMilli(), []byte("k"), fmt.Append(nil, id, sequence), nil)
		return b.Build()
	}
	for i := range int32(5) {
		mustAppend(t, l, keyed(1, i))
	}
	mustAppend(t, l, keyed(2, 0))
	if err := l.Roll(testNow); err != nil {
		t.Fatal(err)
	}
	compactNow(t, l, testNow)
	if got, offsets := state(t, l); len(got) != 1 || !slices.Equal(offsets, []int64{5}) {
		t.Errorf("%v at %v", got, offsets)
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, suffix, ok := parseName(name); ok && suffix == snapshotSuffix {
			if err := fs.Remove(testDir + "/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	l, _ = mustOpen(t, o)
	if a := mustAppend(t, l, keyed(1, 4)); !a.Duplicate || a.First != 4 {
		t.Errorf("its last batch again: %+v", a)
	}
	if _, err := l.Append(keyed(1, 6), AppendOptions{Now: testNow}); !isKafka(err, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("a gap: %v", err)
	}
}

func TestCompactLimits(t *testing.T) {
	t.Run("high watermark, lag and policy", func(t *testing.T) {
		o := compactOptions(vfs.NewMem())
		l, _ := mustOpen(t, o)
		for i := range 200 {
			put(t, l, batch.None, "k", fmt.Sprint(i))
		}
		third := l.Segments()[2].End
		if c, err := l.Compact(t.Context(), testNow, l.Segments()[0].End-1); err != nil || c.Ran {
			t.Errorf("above the high watermark: %+v, %v", c, err)
		}
		o.Config.MinCompactionLag = time.Hour
		l.SetConfig(o.Config)
		if c := compactNow(t, l, testNow); c.Ran {
			t.Errorf("before min.compaction.lag.ms: %+v", c)
		}
		o.Config.CleanupCompact = false
		l.SetConfig(o.Config)
		if c := compactNow(t, l, testNow.Add(2*time.Hour)); c.Ran {
			t.Errorf("not a compacted topic: %+v", c)
		}
		o.Config.CleanupCompact = true
		l.SetConfig(o.Config)
		if c, err := l.Compact(t.Context(), testNow.Add(2*time.Hour), third); err != nil || c.Through != third {
			t.Errorf("up to %d: %+v, %v", third, c, err)
		}
	})
	t.Run("ratio", func(t *testing.T) {
		o := compactOptions(vfs.NewMem())
		o.Config.MinCleanableRatio = 0.9
		l, _ := mustOpen(t, o)
		for i := range 400 { // nothing is superseded
			put(t, l, batch.None, fmt.Sprint("k", i), "v")
		}
		if c := compactNow(t, l, testNow); !c.Ran {
			t.Fatalf("all is dirty: %+v", c)
		}
		for i := range 100 {
			put(t, l, batch.None, fmt.Sprint("k", i), "v")
		}
		if c := compactNow(t, l, testNow); c.Ran {
			t.Errorf("a fifth is dirty: %+v", c)
		}
		o.Config.MaxCompactionLag = time.Minute
		l.SetConfig(o.Config)
		if c := compactNow(t, l, testNow.Add(time.Hour)); !c.Ran {
			t.Errorf("max.compaction.lag.ms is over: %+v", c)
		}
	})
	t.Run("memory", func(t *testing.T) {
		o := compactOptions(vfs.NewMem())
		o.CompactionMemory = 40 * keyEntrySize // room for 30 keys
		l, _ := mustOpen(t, o)
		for i := range 600 {
			put(t, l, batch.None, fmt.Sprint("k", i%100), fmt.Sprint(i))
		}
		want, _ := state(t, l)
		active := l.Segments()[len(l.Segments())-1].Base
		runs := 0
		for c := compactNow(t, l, testNow); c.Ran; c = compactNow(t, l, testNow) {
			if runs++; runs > 600 {
				t.Fatal("it makes no progress")
			}
		}
		got, offsets := state(t, l)
		if !maps.Equal(got, want) || runs < 5 {
			t.Errorf("after %d runs %v", runs, got)
		}
		for i, o := range offsets {
			if o < active && i >= 100 {
				t.Fatalf("%d records are left below %d", i, active)
			}
		}
	})
	t.Run("damage", func(t *testing.T) {
		fs := vfs.NewMem()
		l, _ := mustOpen(t, compactOptions(fs))
		for i := range 100 {
			put(t, l, batch.None, "k", fmt.Sprint(i))
		}
		f, err := fs.Open(testDir + "/" + firstLog)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{0xff}, 300); err != nil {
			t.Fatal(err)
		}
		size := l.Size()
		if _, err := l.Compact(t.Context(), testNow, l.End()); !isKafka(err, kerr.CorruptMessage) || l.Size() != size {
			t.Errorf("error %v", err)
		}
	})
}
