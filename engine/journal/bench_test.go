package journal

import (
	"testing"

	"github.com/logarium/logarium/engine/vfs"
)

// countdown is told of entries until there are no more.
type countdown struct {
	last int64
	done chan struct{}
}

func (c *countdown) Journaled(next int64, _ error) {
	if next == c.last {
		close(c.done)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"170B", 170}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			j, err := Open(Config{FS: vfs.NewMem()})
			if err != nil {
				b.Fatal(err)
			}
			j.cfg.Checkpoint = nil
			if err := j.Start(); err != nil {
				b.Fatal(err)
			}
			c := &countdown{last: int64(b.N), done: make(chan struct{})}
			e := Entry{Key: Key{Broker: 1, Partition: 1}, Batches: make([]byte, size.bytes)}
			j.cfg.MaxBytes = 1 << 50
			b.SetBytes(int64(size.bytes))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				e.First, e.Next = int64(i), int64(i)+1
				if err := j.Admit(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := j.Append(e, c); err != nil {
					b.Fatal(err)
				}
			}
			<-c.done
			b.StopTimer()
			if err := j.Close(true); err != nil {
				b.Fatal(err)
			}
		})
	}
}
