package storage

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestReadersAgainstAll reads while segments are appended to, rolled, deleted,
// compacted and truncated: a reader gets whole right batches, or is told that
// the offset is gone.
func TestReadersAgainstAll(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		t.Run(fmt.Sprint("compacted=", compacted), func(t *testing.T) {
			o := testOptions(vfs.NewMem())
			o.Files = NewFileCache(2)
			o.Config.RetentionBytes = 8000
			o.Config.CleanupCompact, o.Config.CleanupDelete = compacted, !compacted
			o.Config.MinCleanableRatio = 0
			l, _ := mustOpen(t, o)
			fill(t, l, 10)
			var done atomic.Bool
			var readers sync.WaitGroup
			for range 3 {
				readers.Go(func() {
					for !done.Load() {
						readOn(t, l, &done)
					}
				})
			}
			rounds := 60
			for i := range rounds {
				fill(t, l, 20)
				if _, err := l.Sync(); err != nil {
					t.Error(err)
				}
				if err := l.Truncate(l.End() - int64(i%5)); err != nil {
					t.Error(err)
				}
				if compacted {
					if _, err := l.Compact(t.Context(), testNow, l.End()-20); err != nil {
						t.Error(err)
					}
				} else if _, err := l.Retain(testNow, l.End()-20); err != nil {
					t.Error(err)
				}
			}
			done.Store(true)
			readers.Wait()
			if open := len(o.Files.open); open > 2 {
				t.Errorf("%d files are open", open)
			}
		})
	}
}

// readOn reads from the start to the end of the log.
func readOn(t *testing.T, l *Log, done *atomic.Bool) {
	var dst []byte
	for next := l.Start(); next < l.End() && !done.Load(); {
		b, err := l.Read(dst[:0], next, l.End(), 700, true)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			return
		}
		if err != nil {
			t.Errorf("Read(%d): %v", next, err)
			return
		}
		if dst = b; len(b) == 0 {
			return
		}
		if _, _, _, err := l.OffsetForTime(testNow.UnixMilli() + next*1000); err != nil {
			t.Errorf("OffsetForTime: %v", err)
		}
		for one := range batch.Split(b) {
			h, err := batch.Validate(one, stored)
			if err != nil || h.LastOffset() < next {
				t.Errorf("read %d to %d from %d: %v", h.BaseOffset, h.LastOffset(), next, err)
				return
			}
			next = h.LastOffset() + 1
		}
	}
}

// TestReadersAgainstClose reads a log while it is closed.
func TestReadersAgainstClose(t *testing.T) {
	for range 20 {
		l, _ := mustOpen(t, testOptions(vfs.NewMem()))
		fill(t, l, 60)
		started := make(chan struct{})
		var reader sync.WaitGroup
		reader.Go(func() {
			close(started)
			for next := int64(0); ; next = (next + 7) % 180 {
				if _, err := l.Read(nil, next, 180, 200, true); err != nil {
					if !isKafka(err, kerr.KafkaStorageError) {
						t.Errorf("Read: %v", err)
					}
					return
				}
			}
		})
		<-started
		if err := l.Close(true); err != nil {
			t.Fatal(err)
		}
		reader.Wait()
	}
}

func TestFileCache(t *testing.T) {
	fs := vfs.NewMem()
	cache := NewFileCache(3)
	var logs []*Log
	for i := range 4 {
		o := testOptions(fs)
		o.Dir, o.Files = fmt.Sprint("logs/t-", i), cache
		l, _ := mustOpen(t, o)
		fill(t, l, 60)
		logs = append(logs, l)
	}
	for range 3 {
		for _, l := range logs {
			readAll(t, l, 500)
			if len(cache.open) > 3 {
				t.Fatalf("%d files are open", len(cache.open))
			}
		}
	}
	for _, l := range logs {
		if err := l.Close(true); err != nil {
			t.Fatal(err)
		}
	}
	if len(cache.open) != 0 {
		t.Errorf("%d files are open when all logs are closed", len(cache.open))
	}
}

func TestDelete(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := mustOpen(t, testOptions(fs))
	fill(t, l, 30)
	if err := l.Delete(); err != nil {
		t.Fatal(err)
	}
	if names, err := fs.List("logs"); err != nil || len(names) != 0 {
		t.Errorf("left: %v, %v", names, err)
	}
	if err := fs.MkdirAll("logs/orders-0.00-delete"); err != nil {
		t.Fatal(err)
	}
	if err := RemoveDeleted(fs, "logs"); err != nil {
		t.Fatal(err)
	}
	if names, err := fs.List("logs"); err != nil || len(names) != 0 {
		t.Errorf("left: %v, %v", names, err)
	}
	if _, err := l.Append(newBatch("x", 1, 0), AppendOptions{Now: testNow}); !isKafka(err, kerr.KafkaStorageError) {
		t.Errorf("a deleted log takes writes: %v", err)
	}
}
