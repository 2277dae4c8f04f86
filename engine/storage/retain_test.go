package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/vfs"
)

func TestRetain(t *testing.T) {
	last := testNow.Add(297 * time.Second) // of the newest batch, 2 ms older than its newest record
	tests := []struct {
		name      string
		change    func(*Config)
		now       time.Time
		watermark int64
		reason    string
		kept      func(s SegmentInfo, all []SegmentInfo) bool
	}{
		{"nothing to do", func(*Config) {}, testNow, 300, "", func(SegmentInfo, []SegmentInfo) bool { return true }},
		{"by age", func(c *Config) { c.RetentionAge = time.Minute }, last, 300, reasonAge,
			func(s SegmentInfo, _ []SegmentInfo) bool {
				return s.MaxTimestamp >= last.Add(-time.Minute).UnixMilli()
			}},
		{"by age, all of it", func(c *Config) { c.RetentionAge = time.Minute }, last.Add(time.Hour), 300, reasonAge,
			func(SegmentInfo, []SegmentInfo) bool { return false }},
		{"not above the high watermark", func(c *Config) { c.RetentionAge = time.Minute }, last.Add(time.Hour), 50, reasonAge,
			func(s SegmentInfo, _ []SegmentInfo) bool { return s.End > 50 }},
		{"by size", func(c *Config) { c.RetentionBytes = 4000 }, testNow, 300, reasonSize,
			func(s SegmentInfo, all []SegmentInfo) bool {
				var after int64
				for _, x := range all {
					if x.Base > s.Base {
						after += x.Bytes
					}
				}
				return after < 4000
			}},
		{"compacted only", func(c *Config) { c.RetentionBytes = 0; c.CleanupDelete = false; c.CleanupCompact = true }, last.Add(time.Hour), 300, "",
			func(SegmentInfo, []SegmentInfo) bool { return true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs := vfs.NewMem()
			o := testOptions(fs)
			o.Config.RetentionAge = Forever
			l, _ := mustOpen(t, o)
			fill(t, l, 100)
			before := l.Segments()
			tt.change(&o.Config)
			l.SetConfig(o.Config)
			deleted, err := l.Retain(tt.now, tt.watermark)
			if err != nil {
				t.Fatal(err)
			}
			var kept []SegmentInfo
			start := int64(300)
			for _, s := range before {
				if tt.kept(s, before) {
					kept = append(kept, s)
					start = min(start, s.Base)
				}
			}
			if len(deleted) != len(before)-len(kept) || l.Start() != start {
				t.Fatalf("of %+v deleted %+v, the log starts at %d, want %d", before, deleted, l.Start(), start)
			}
			for _, d := range deleted {
				if d.Reason != tt.reason {
					t.Errorf("deleted %+v", d)
				}
			}
			if got := readAll(t, l, 1000); !slices.Equal(got, wantRecords(start, 300)) {
				t.Errorf("read %v", got)
			}
			fill(t, l, 1)
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
			again, _ := mustOpen(t, o)
			if again.Start() != start || again.End() != 303 {
				t.Errorf("opened again it has %d to %d", again.Start(), again.End())
			}
		})
	}
}

func TestDeleteRecords(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := mustOpen(t, testOptions(fs))
	fill(t, l, 50)
	if err := l.DeleteRecords(151); !isKafka(err, kerr.OffsetOutOfRange) {
		t.Errorf("deleting above the end: %v", err)
	}
	if err := l.DeleteRecords(70); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRecords(20); err != nil || l.Start() != 70 {
		t.Errorf("deleting what is deleted: start %d, %v", l.Start(), err)
	}
	if _, err := l.Read(nil, 69, 150, 100, true); !isKafka(err, kerr.OffsetOutOfRange) {
		t.Errorf("reading below the start: %v", err)
	}
	if got := readAll(t, l, 300); !slices.Equal(got, wantRecords(70, 150)) {
		t.Errorf("read %v", got)
	}
	if _, err := l.Retain(testNow, 150); err != nil || l.Segments()[0].Base > 70 || l.Segments()[0].End <= 70 {
		t.Errorf("retained %+v, %v", l.Segments(), err)
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	again, _ := mustOpen(t, testOptions(fs))
	if again.Start() != 70 {
		t.Errorf("opened again it starts at %d", again.Start())
	}
}

func TestTruncate(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := mustOpen(t, testOptions(fs))
	fill(t, l, 40)
	mustAppend(t, l, producerBatchOf(1, 0, 0, 3)) // 120 to 122
	mustAppend(t, l, producerBatchOf(1, 0, 3, 3)) // 123 to 125
	for _, tt := range []struct{ to, end int64 }{{126, 126}, {200, 126}, {125, 123}, {100, 99}, {7, 6}, {0, 0}} {
		if err := l.Truncate(tt.to); err != nil {
			t.Fatal(err)
		}
		if l.End() != tt.end {
			t.Fatalf("truncated to %d, the log ends at %d", tt.to, l.End())
		}
		if tt.end <= 120 {
			if got := readAll(t, l, 300); !slices.Equal(got, wantRecords(0, tt.end)) {
				t.Errorf("truncated to %d, read %v", tt.to, got)
			}
			if len(l.Producers()) != 0 {
				t.Errorf("truncated to %d, producers %+v", tt.to, l.Producers())
			}
		} else if p := l.Producers(); len(p) != 1 || int64(p[0].LastSequence) != tt.end-121 {
			t.Errorf("truncated to %d, producers %+v", tt.to, p)
		}
	}
	fill(t, l, 30)
	if got := readAll(t, l, 300); !slices.Equal(got, wantRecords(0, 90)) {
		t.Errorf("read %v", got)
	}
}

func TestRollByAgeAndIndex(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		rolls  bool
	}{
		{"neither", func(*Config) {}, false},
		{"age", func(c *Config) { c.SegmentAge = 1500 * time.Millisecond }, true},
		{"compaction lag", func(c *Config) { c.CleanupCompact = true; c.MaxCompactionLag = 1500 * time.Millisecond }, true},
		{"index full", func(c *Config) { c.IndexIntervalBytes = 0; c.SegmentIndexBytes = 8 }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := testOptions(vfs.NewMem())
			tt.change(&o.Config)
			l, _ := mustOpen(t, o)
			for i := range 3 {
				mustAppend(t, l, newBatch("x", 1, testNow.UnixMilli()+int64(i)*1000))
			}
			if got := len(l.Segments()) > 1; got != tt.rolls {
				t.Errorf("%d segments", len(l.Segments()))
			}
		})
	}
}

func TestOffsetForTime(t *testing.T) {
	for _, reopened := range []bool{false, true} {
		t.Run(fmt.Sprint("reopened=", reopened), func(t *testing.T) {
			fs := vfs.NewMem()
			o := testOptions(fs)
			l, _ := mustOpen(t, o)
			fill(t, l, 100) // record i of batch b has testNow + 1000b + i
			if reopened {
				if err := l.Close(true); err != nil {
					t.Fatal(err)
				}
				o.Clean = true
				l, _ = mustOpen(t, o)
			}
			base := testNow.UnixMilli()
			for o := int64(-3); o < 300; o++ {
				ts := base + o/3*3000 + o%3
				want := max(o, 0)
				at, found, epoch, err := l.OffsetForTime(ts)
				if err != nil || at != want || epoch != 3 || found != base+want/3*3000+want%3 {
					t.Fatalf("%d is at %d with %d, epoch %d, %v; want %d", ts, at, found, epoch, err, want)
				}
			}
			if at, _, _, err := l.OffsetForTime(base + 297_003); at != -1 || err != nil {
				t.Errorf("after all is at %d, %v", at, err)
			}
			if at, ts, epoch, err := l.MaxTimestamp(); at != 299 || ts != base+297_002 || epoch != 3 || err != nil {
				t.Errorf("the newest is %d with %d, epoch %d, %v", at, ts, epoch, err)
			}
			if err := l.DeleteRecords(100); err != nil {
				t.Fatal(err)
			}
			if at, _, _, err := l.OffsetForTime(base); at != 100 || err != nil {
				t.Errorf("the first is at %d, %v", at, err)
			}
		})
	}
}

// TestRetainKeepsProducers cuts the power right after all segments with a
// producer's batches were deleted: only the snapshot tells of it.
func TestRetainKeepsProducers(t *testing.T) {
	fs := vfs.NewCrashable()
	if err := errors.Join(fs.MkdirAll(path.Dir(testDir)), fs.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	o := testOptions(fs)
	o.ProducerExpiration = 100 * 365 * 24 * time.Hour
	l, _ := mustOpen(t, o)
	mustAppend(t, l, producerBatchOf(7, 0, 0, 2))
	if err := l.Roll(testNow.Add(8 * 24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRecords(2); err != nil {
		t.Fatal(err)
	}
	if deleted, err := l.Retain(time.Now(), l.End()); err != nil || len(deleted) == 0 {
		t.Fatalf("deleted %v, %v", deleted, err)
	}
	o.FS = fs.Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseAll())
	l, _ = mustOpen(t, o)
	if known := l.Producers(); len(known) != 1 || known[0].ID != 7 {
		t.Errorf("after the power cut the log knows of the producers %+v", known)
	}
}
