package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/sim/check"
	"github.com/logarium/logarium/engine/vfs"
)

const (
	// Host is the name of the host that all brokers are on.
	Host = "logarium"
	// firstPort is the port of broker 1; the others have those that follow.
	firstPort = 9092
	// Process is the disk of what belongs to no single broker, such as the
	// shared journal.
	Process = 0
)

// Address returns where a broker listens.
func Address(broker int32) string { return fmt.Sprintf("%s:%d", Host, firstPort-1+broker) }

// World is what a cluster of one test runs in.
type World struct {
	// Net is the network: brokers are on Host, and each client is on a host of
	// its own name.
	Net *netx.Mem
	// Ledger takes what clients and gauges see.
	Ledger *check.Ledger
	*Chronicle

	seed    uint64
	started time.Time
	mu      sync.Mutex
	disks   map[int32]*disk
	syncs   time.Duration // what a sync takes on a healthy disk
	ways    time.Duration // what a healthy way between two brokers takes
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
	w := &World{Net: netx.NewMem(), seed: seed, started: time.Now(), disks: map[int32]*disk{}}
	w.Ledger = check.New(w.Now)
	w.Chronicle = newChronicle(w.Now)
	return w
}

// Now is the time since the start of the world.
func (w *World) Now() time.Duration { return time.Since(w.started) }

// Rand returns chance for one use, such as "faults" or "workload", that
// depends on the seed and the name alone: a use that takes more of it does not
// change what the others get.
func (w *World) Rand(use string) *rand.Rand {
	name := fnv.New64a()
	_, _ = name.Write([]byte(use)) // a hash takes everything
	return rand.New(rand.NewPCG(w.seed, name.Sum64()))
}

// Weather sets how long things take while nothing is wrong: a sync of a disk, a
// way between a client and a broker, and half of that between brokers. Without it everything takes no time
// at all, and faults strike between two requests and never within one.
func (w *World) Weather(sync, link time.Duration) {
	w.mu.Lock()
	w.syncs, w.ways = sync, link/2
	w.mu.Unlock()
	w.Net.SetLink(netx.AnyHost, Host, netx.Link{Latency: link})
}

// way is how long a healthy way between two brokers takes.
func (w *World) way() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ways
}

// Disk returns the disk of a broker or of the Process, empty at first, on
// which faults can be injected. After PowerCut or Kill it is another one: the
// old one has failed.
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
	w.season(d)
	w.disks[broker] = d
	return d
}

// Calm takes all faults from a disk.
func (w *World) Calm(broker int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.disk(broker)
	d.faulty.Heal()
	w.season(d)
}

// season makes a healthy disk take its time.
func (w *World) season(d *disk) {
	if w.syncs > 0 {
		d.faulty.Inject(vfs.Fault{Op: vfs.OpSync, Delay: w.syncs})
	}
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
