package replica

import (
	"fmt"
	"sync"
	"testing"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

// BenchmarkReplicate appends batches on the leader of a partition with three
// replicas, all on one disk, and waits until they are committed, with 16 under
// way at a time. Allocations are those of all three brokers.
func BenchmarkReplicate(b *testing.B) {
	for _, size := range []int{100, 1 << 10} {
		for _, records := range []int{1, 100} {
			b.Run(fmt.Sprintf("%d×%dB", records, size), func(b *testing.B) { benchmarkReplicate(b, records, size) })
		}
	}
}

func benchmarkReplicate(b *testing.B, records, size int) {
	r := &rig{t: b, links: netx.NewLinks(), cfg: Config{Durability: OS}, sets: map[int32]*Set{}, hub: event.New(), ruling: newLock(), world: newWorld(b, "c"), disks: map[int32]*vfs.Faulty{}}
	for id := int32(1); id <= 3; id++ {
		r.world.apply(metadata.BrokerRegistrationRecord{ID: id, Epoch: int64(id)})
		disk, err := vfs.OS(b.TempDir())
		must(b, err)
		r.disks[id] = vfs.NewFaulty(disk, 1)
	}
	for id := int32(1); id <= 3; id++ {
		r.start(id)
	}
	defer r.close()
	r.topic("t", nil, 1, 2, 3)
	p := r.at(1, "t")
	builder := batch.NewBuilder(batch.BuilderOptions{})
	for range records {
		builder.Append(1, nil, make([]byte, size), nil)
	}
	content := builder.Build()
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	window := make(chan struct{}, 16)
	var left sync.WaitGroup
	done := func(err error) {
		if err != nil {
			b.Error(err)
		}
		<-window
		left.Done()
	}
	for b.Loop() {
		window <- struct{}{}
		left.Add(1)
		a, err := p.Append(content, storage.FromCoordinator, -1)
		must(b, err)
		p.Notify(a.Last, done)
	}
	left.Wait()
}
