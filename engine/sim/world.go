// Package sim is for tests that run whole clusters in virtual time: every
// broker on a disk that can crash, all of them and real Kafka clients on a
// network in memory, and everything that is left to chance decided by one
// seed. It owns the world around a cluster, not the cluster. It is imported by
// tests alone, and may import engine, netx and vfs.
//
// # Virtual time
//
// A test runs in a bubble of testing/synctest: time stands still while any
// goroutine can go on, and jumps to the next timer when all wait. A goroutine
// that waits for a channel, a timer, a sync.Cond or the network of netx.Mem
// counts as waiting; one that waits for a sync.Mutex or sync.RWMutex does not.
// Code that holds a lock while it waits therefore hangs the bubble as soon as
// another goroutine wants that lock. This engine never does so. franz-go's
// client does, in its group consumer for one, which shows when a broker goes
// away; it has locks made of channels under the build tag synctests, of its
// own making. So tests with franz-go clients are in files with that tag:
//
//	go test -tags synctests ./engine/sim            # five seeds for each test
//	go test -tags synctests ./engine/sim -seeds 200
//	go test -tags synctests ./engine/sim -run Kills/seed_7
//
// Without the tag there is one test, which runs that command, so that
// go test ./... leaves nothing out.
//
// # What a seed decides
//
// Faults, crashes and workloads come from the seed. The order of goroutines
// does not, so a seed finds most failures again, not all.
package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"sync"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/vfs"
)

// World is what a cluster of one test runs in.
type World struct {
	// Net is the network: brokers and clients listen and dial on it, as one
	// host or as Net.Host of a name each.
	Net *netx.Mem

	seed  uint64
	mu    sync.Mutex
	disks map[int32]*disk
}

// disk is what one broker writes on.
type disk struct {
	crashable *vfs.Mem
	faulty    *vfs.Faulty
	swaps     int // how many disks the broker had before
}

// New returns a world in which nothing has happened yet. It is to be called
// inside the bubble of its test.
func New(seed uint64) *World {
	return &World{Net: netx.NewMem(), seed: seed, disks: map[int32]*disk{}}
}

// Rand returns chance for one use, such as "faults" or "workload", that
// depends on the seed and the name alone: a use that takes more of it does not
// change what the others get.
func (w *World) Rand(use string) *rand.Rand {
	name := fnv.New64a()
	_, _ = name.Write([]byte(use)) // a hash takes everything
	return rand.New(rand.NewPCG(w.seed, name.Sum64()))
}

// Disk returns the disk of a broker, empty at first, on which faults can be
// injected. After PowerCut or Kill it is another one: the old one has failed.
func (w *World) Disk(broker int32) *vfs.Faulty {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.disk(broker).faulty
}

func (w *World) disk(broker int32) *disk {
	d, ok := w.disks[broker]
	if !ok {
		d = w.plug(broker, vfs.NewCrashable(), 0)
	}
	return d
}

// plug gives a broker a disk.
func (w *World) plug(broker int32, m *vfs.Mem, swaps int) *disk {
	flips := w.Rand(fmt.Sprintf("bit flips of disk %d.%d", broker, swaps))
	d := &disk{crashable: m, faulty: vfs.NewFaulty(m, flips.Uint64()), swaps: swaps}
	w.disks[broker] = d
	return d
}

// Open starts a cluster in the world, with what is on its disks. Its brokers
// listen on 127.0.0.1:9092 and the ports that follow.
func (w *World) Open(ctx context.Context, brokers int) (*engine.Engine, error) {
	return engine.Open(ctx, engine.Config{
		Brokers:   brokers,
		Listeners: []engine.Listener{{Name: "PLAINTEXT", Bind: "127.0.0.1:9092"}},
		Network:   w.Net,
		FS:        func(id int32) (vfs.FS, error) { return w.Disk(id), nil },
	})
}

// PowerCut cuts the power of a broker's machine: all calls on its disk fail
// from now on, and Disk returns what is left of it, which lacks some of what
// was not synced as cfg and the seed will have it.
func (w *World) PowerCut(broker int32, cfg vfs.CrashConfig) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.disk(broker)
	rng := w.Rand(fmt.Sprintf("power cut of disk %d.%d", broker, d.swaps))
	w.plug(broker, d.crashable.Crash(rng, cfg), d.swaps+1)
}

// Kill ends a broker as kill -9 would: all calls on its disk fail from now on,
// and Disk returns one with everything that was written, of which a later
// PowerCut may still take what was not synced.
func (w *World) Kill(broker int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.disk(broker)
	w.plug(broker, d.crashable.Kill(), d.swaps+1)
}

// Dialer returns the function by which a client on the host of that name
// connects, as kgo.Dialer takes it.
func (w *World) Dialer(host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	from := w.Net.Host(host)
	return func(ctx context.Context, _, address string) (net.Conn, error) { return from.Dial(ctx, address) }
}
