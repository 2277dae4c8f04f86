//go:build unix

package storage

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkTail appends and has what was appended read by as many readers as
// follow, from the page cache as Read does it; "ring" is what a copy of the tail
// in memory, which readers share, would take instead: it bounds what such a
// copy can save. docs/performance.md has what came of it.
func BenchmarkTail(b *testing.B) {
	for _, kib := range []int{1, 16, 128} {
		raw := benchBatch(kib, 1000, -1)
		for _, readers := range []int{0, 1, 3} {
			b.Run(fmt.Sprintf("%dKiB/read/readers=%d", kib, readers), func(b *testing.B) {
				dst := make([]byte, 0, 2*len(raw))
				benchTail(b, raw, func(l *Log, first int64) {
					for range readers {
						if out, err := l.Read(dst, first, l.End(), 1<<20, true); err != nil || len(out) != len(raw) {
							b.Fatal(len(out), err)
						}
					}
				})
			})
		}
		b.Run(fmt.Sprintf("%dKiB/ring", kib), func(b *testing.B) {
			ring, at := make([]byte, 8<<20), 0
			benchTail(b, raw, func(*Log, int64) {
				at += copy(ring[at:], raw)
				if at+len(raw) > len(ring) {
					at = 0
				}
			})
		})
	}
}

func benchTail(b *testing.B, raw []byte, then func(l *Log, first int64)) {
	l := benchLog(b, benchOS(b))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	i, began := 0, cpuTime(b)
	defer func() { b.ReportMetric((cpuTime(b)-began).Seconds()*1e9/float64(b.N)/float64(len(raw)), "cpu-s/GB") }()
	for b.Loop() {
		a, err := l.Append(raw, AppendOptions{Now: testNow})
		if err != nil {
			b.Fatal(err)
		}
		then(l, a.First)
		if i++; i*len(raw) > 64<<20 {
			b.StopTimer()
			i = 0
			if _, err := l.Retain(time.Now(), l.End()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// cpuTime is the CPU time that the process has used.
func cpuTime(b *testing.B) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
