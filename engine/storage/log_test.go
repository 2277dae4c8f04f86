package storage

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

var testNow = time.UnixMilli(1_700_000_000_000)

// testOptions are those of a log on fs with small segments.
func testOptions(fs vfs.FS) Options {
	c := DefaultConfig()
	c.SegmentBytes = 2000
	c.IndexIntervalBytes = 200
	return Options{FS: fs, Dir: "logs/orders-0", TopicID: [16]byte{1, 2, 3}, Config: c}
}

func mustOpen(t *testing.T, o Options) (*Log, Recovered) {
	t.Helper()
	l, r, err := Open(o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(false); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l, r
}

// newBatch makes a batch of n records whose values tell them apart.
func newBatch(tag string, n int, ts int64) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{})
	for i := range n {
		b.Append(ts+int64(i), fmt.Appendf(nil, "key-%d", i), fmt.Appendf(nil, "%s-%d", tag, i), nil)
	}
	return b.Build()
}

func producerBatchOf(id int64, epoch int16, sequence int32, n int) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{Producer: true, ProducerID: id, Epoch: epoch, Sequence: sequence})
	for i := range n {
		b.Append(testNow.UnixMilli(), nil, fmt.Appendf(nil, "%d/%d", id, int(sequence)+i), nil)
	}
	return b.Build()
}

func mustAppend(t *testing.T, l *Log, b []byte) Appended {
	t.Helper()
	a, err := l.Append(b, AppendOptions{LeaderEpoch: 3, Now: testNow})
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return a
}

// fill appends n batches of three records, a second apart.
func fill(t *testing.T, l *Log, n int) {
	t.Helper()
	for range n {
		end := l.End()
		mustAppend(t, l, newBatch(wantTag(end), 3, testNow.UnixMilli()+end*1000))
	}
}

// readAll reads a log from its start by steps of maxBytes, checks what every
// reader relies on and returns the records as offset=value.
func readAll(t *testing.T, l *Log, maxBytes int) []string {
	t.Helper()
	var got []string
	next := l.Start()
	for next < l.End() {
		b, err := l.Read(nil, next, l.End(), maxBytes, true)
		if err != nil {
			t.Fatalf("Read(%d): %v", next, err)
		}
		if len(b) == 0 {
			break
		}
		total := 0
		for one := range batch.Split(b) {
			total += len(one)
			h, err := batch.Validate(one, stored)
			if err != nil {
				t.Fatalf("batch read at %d: %v", next, err)
			}
			if h.LastOffset() < next {
				t.Fatalf("read batch %d to %d from offset %d", h.BaseOffset, h.LastOffset(), next)
			}
			for r, err := range batch.Records(one, stored) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Offset >= next {
					got = append(got, fmt.Sprintf("%d=%s", r.Offset, r.Value))
				}
			}
			next = h.LastOffset() + 1
		}
		if total != len(b) {
			t.Fatalf("read %d bytes, of which %d are whole batches", len(b), total)
		}
	}
	return got
}

func wantTag(base int64) string { return fmt.Sprint("at", base) }

func wantRecords(from, to int64) []string {
	var want []string
	for o := from; o < to; o++ {
		want = append(want, fmt.Sprintf("%d=at%d-%d", o, o-o%3, o%3))
	}
	return want
}

func isKafka(err error, want *kerr.Error) bool { return errors.Is(err, want) }

func TestAppendAndRead(t *testing.T) {
	l, _ := mustOpen(t, testOptions(vfs.NewMem()))
	fill(t, l, 100)
	if l.End() != 300 || l.Start() != 0 {
		t.Fatalf("log has %d to %d", l.Start(), l.End())
	}
	if n := len(l.Segments()); n < 5 {
		t.Fatalf("%d segments", n)
	}
	for _, maxBytes := range []int{1, 61, 150, 151, 400, 1999, 1 << 20} {
		if got := readAll(t, l, maxBytes); !slices.Equal(got, wantRecords(0, 300)) {
			t.Errorf("maxBytes %d: read %v", maxBytes, got)
		}
	}
	for from := range int64(300) { // at random, so that the index is used
		from = from * 7919 % 300
		b, err := l.Read([]byte("x"), from, 300, 1, true)
		if err != nil || b[0] != 'x' {
			t.Fatalf("Read(%d): %v", from, err)
		}
		if h, err := batch.ParseHeader(b[1:]); err != nil || h.BaseOffset != from-from%3 || len(b)-1 != h.Size() {
			t.Fatalf("Read(%d) gave batch %d, %v", from, h.BaseOffset, err)
		}
	}
}

func TestReadLimits(t *testing.T) {
	l, _ := mustOpen(t, testOptions(vfs.NewMem()))
	fill(t, l, 10)
	size := len(newBatch("at0", 3, testNow.UnixMilli()))
	tests := []struct {
		name       string
		from, upTo int64
		maxBytes   int
		minOne     bool
		batches    int
		err        *kerr.Error
	}{
		{"all", 0, 30, 1 << 20, true, 10, nil},
		{"up to an offset", 0, 6, 1 << 20, true, 2, nil},
		{"up to the middle of a batch", 0, 7, 1 << 20, true, 3, nil},
		{"exactly two", 0, 30, 2 * size, false, 2, nil},
		{"a byte less than two", 0, 30, 2*size - 1, false, 1, nil},
		{"less than one", 0, 30, size - 1, false, 0, nil},
		{"less than one, but one", 0, 30, 1, true, 1, nil},
		{"nothing is nothing", 0, 30, 0, false, 0, nil},
		{"from the middle", 4, 30, 1 << 20, true, 9, nil},
		{"at the end", 30, 30, 1 << 20, true, 0, nil},
		{"above the high watermark", 12, 9, 1 << 20, true, 0, nil},
		{"above the end", 31, 40, 1 << 20, true, 0, kerr.OffsetOutOfRange},
		{"below the start", -1, 30, 1 << 20, true, 0, kerr.OffsetOutOfRange},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := l.Read(nil, tt.from, tt.upTo, tt.maxBytes, tt.minOne)
			if tt.err != nil {
				if !isKafka(err, tt.err) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				return
			}
			n := 0
			for range batch.Split(b) {
				n++
			}
			if err != nil || n != tt.batches {
				t.Fatalf("%d batches, error %v; want %d", n, err, tt.batches)
			}
		})
	}
}

func TestNothingOnDiskUntilWritten(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := mustOpen(t, testOptions(fs))
	if err := l.SetEpoch(7, 0); err != nil {
		t.Fatal(err)
	}
	if names, err := fs.List("."); err != nil || len(names) != 0 {
		t.Fatalf("%v %v", names, err)
	}
	if b, err := l.Read(nil, 0, 0, 100, true); err != nil || len(b) != 0 {
		t.Fatalf("reading an empty log: %d bytes, %v", len(b), err)
	}
	fill(t, l, 1)
	if id, err := ReadTopicID(fs, "logs/orders-0"); err != nil || id != [16]byte{1, 2, 3} {
		t.Fatalf("topic id %x, %v", id, err)
	}
}

func TestReopen(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprint("clean=", clean), func(t *testing.T) {
			fs := vfs.NewMem()
			o := testOptions(fs)
			l, _ := mustOpen(t, o)
			fill(t, l, 60)
			mustAppend(t, l, producerBatchOf(9, 1, 0, 4))
			want, producers, segments := readAll(t, l, 1000), l.Producers(), l.Segments()
			if err := l.Close(clean); err != nil {
				t.Fatal(err)
			}
			o.Clean = clean
			for i := range 3 {
				again, r := mustOpen(t, o)
				if clean && i == 0 && (r.SegmentsScanned != 0 || r.IndexesRebuilt != 0) {
					t.Errorf("a clean log was scanned: %+v", r)
				}
				if len(r.Corrupt) != 0 || r.BytesCut != 0 {
					t.Errorf("recovered %+v", r)
				}
				if got := readAll(t, again, 500); !slices.Equal(got, want) {
					t.Fatalf("read %v, want %v", got, want)
				}
				if got := again.Segments(); !slices.Equal(got, segments) {
					t.Errorf("segments %+v, want %+v", got, segments)
				}
				if got := again.Producers(); len(got) != 1 || got[0].LastSequence != producers[0].LastSequence {
					t.Errorf("producers %+v, want %+v", got, producers)
				}
				if again.Synced() != again.End() || again.LatestEpoch() != 3 {
					t.Errorf("synced %d of %d, epoch %d", again.Synced(), again.End(), again.LatestEpoch())
				}
				if err := again.Close(clean); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
