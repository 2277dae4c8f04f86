package storage

import (
	"fmt"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

func benchLog(b *testing.B, fs vfs.FS) *Log {
	b.Helper()
	o := Options{FS: fs, Dir: "bench-0", Config: DefaultConfig()}
	o.Config.SegmentBytes = 64 << 20
	o.Config.RetentionBytes = 128 << 20
	l, _, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(false); err != nil {
			b.Error(err)
		}
	})
	return l
}

func benchOS(b *testing.B) vfs.FS {
	b.Helper()
	fs, err := vfs.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return fs
}

func benchBatch(n, size int, id int64) []byte {
	o := batch.BuilderOptions{}
	if id >= 0 {
		o.Producer, o.ProducerID = true, id
	}
	b := batch.NewBuilder(o)
	for i := range n {
		b.Append(testNow.UnixMilli()+int64(i), nil, make([]byte, size), nil)
	}
	return b.Build()
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []struct{ n, bytes int }{{1, 100}, {1000, 100}, {16, 1024}} {
		for _, producer := range []int64{-1, 7} {
			b.Run(fmt.Sprintf("%dx%d/producer=%d", size.n, size.bytes, producer), func(b *testing.B) {
				l := benchLog(b, benchOS(b))
				raw := benchBatch(size.n, size.bytes, producer)
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					// Of the idempotent producer, each batch is of a new epoch: its
					// sequence need not be written, and the CRC stays right.
					if _, err := l.Append(raw, AppendOptions{Now: testNow, Origin: FromCoordinator}); err != nil {
						b.Fatal(err)
					}
					if i++; i%1000 == 0 {
						b.StopTimer()
						if _, err := l.Retain(testNow, l.End()); err != nil {
							b.Fatal(err)
						}
						if _, err := l.Sync(); err != nil {
							b.Fatal(err)
						}
						b.StartTimer()
					}
				}
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, tt := range []struct {
		name  string
		bytes int
		step  int64 // how the next offset follows; 0: where the last read ended
	}{{"sequential/1MiB", 1 << 20, 0}, {"sequential/64KiB", 64 << 10, 0}, {"random/64KiB", 64 << 10, 7919_003}} {
		b.Run(tt.name, func(b *testing.B) {
			l := benchLog(b, benchOS(b))
			for l.Size() < 100<<20 {
				if _, err := l.Append(benchBatch(16, 1024, -1), AppendOptions{Now: testNow}); err != nil {
					b.Fatal(err)
				}
			}
			dst := make([]byte, 0, tt.bytes)
			b.SetBytes(int64(tt.bytes))
			b.ReportAllocs()
			next := int64(0)
			for b.Loop() {
				got, err := l.Read(dst[:0], next, l.End(), tt.bytes, true)
				if err != nil || len(got) == 0 {
					b.Fatal(len(got), err)
				}
				switch {
				case tt.step > 0:
					next = (next + tt.step) % l.End()
				case len(got) < tt.bytes/2:
					next = 0
				default:
					next += int64(len(got)) / int64(len(benchOne)) * 16
				}
			}
		})
	}
}

var benchOne = benchBatch(16, 1024, -1)

func BenchmarkOpen(b *testing.B) {
	for _, clean := range []bool{true, false} {
		b.Run(fmt.Sprint("256MiB/clean=", clean), func(b *testing.B) {
			fs := benchOS(b)
			o := Options{FS: fs, Dir: "bench-0", Config: DefaultConfig(), Clean: clean}
			l, _, err := Open(o)
			if err != nil {
				b.Fatal(err)
			}
			raw := benchBatch(16, 1024, -1)
			for l.Size() < 256<<20 {
				if _, err := l.Append(raw, AppendOptions{Now: time.Now()}); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Close(clean); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				l, _, err := Open(o)
				if err != nil {
					b.Fatal(err)
				}
				if err := l.Close(false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
