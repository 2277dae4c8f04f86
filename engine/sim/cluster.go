package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/sim/check"
	"github.com/logarium/logarium/engine/vfs"
)

// endTime is how long a cluster may take to close, whatever state it is in.
const endTime = 30 * time.Second

// Setup says what cluster a world has.
type Setup struct {
	Brokers    int
	Durability replica.Durability
	Settings   map[string]string
}

// Cluster is the brokers of a world over all the lives of their process.
type Cluster struct {
	World *World
	Setup Setup
	Told  func(event.State) // takes the state events; nil: nobody

	mu     sync.Mutex
	engine *engine.Engine // nil: the process is down
	runs   map[int32]int  // how often a broker was started
	sick   map[int32]bool // disks that had failures
	follow context.CancelFunc
	done   sync.WaitGroup
	acts   sync.WaitGroup // what is done to brokers in the background
}

// NewCluster returns a cluster that is not started.
func NewCluster(w *World, s Setup) *Cluster {
	return &Cluster{World: w, Setup: s, runs: map[int32]int{}, sick: map[int32]bool{}}
}

// IDs returns the ids of all brokers.
func (c *Cluster) IDs() []int32 {
	ids := make([]int32, c.Setup.Brokers)
	for i := range ids {
		ids[i] = int32(i + 1)
	}
	return ids
}

// Addresses returns where the brokers listen.
func (c *Cluster) Addresses() []string {
	var out []string
	for _, id := range c.IDs() {
		out = append(out, Address(id))
	}
	return out
}

// Open starts the process with what is on the disks.
func (c *Cluster) Open(ctx context.Context) error {
	c.World.Note("start the process")
	e, err := engine.Open(ctx, engine.Config{
		Brokers:    c.Setup.Brokers,
		Listeners:  []engine.Listener{{Name: "PLAINTEXT", Bind: Address(1)}},
		Network:    c.World.Net.Host(Host),
		FS:         func(id int32) (vfs.FS, error) { return c.World.Disk(id), nil },
		Durability: c.Setup.Durability,
		Settings:   c.Setup.Settings,
		Logger:     c.World.Logger(),
	})
	if err != nil {
		return err
	}
	c.delay(e)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine = e
	clear(c.sick)
	for _, id := range c.IDs() {
		c.runs[id]++
	}
	ctx, c.follow = context.WithCancel(context.Background())
	c.done.Go(func() { c.World.Follow(ctx, e.Events(), c.Told) })
	return nil
}

// Engine returns the process, nil while it is down.
func (c *Cluster) Engine() *engine.Engine {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine
}

// Run names the present run of a broker, which is another one after each start.
func (c *Cluster) Run(broker int32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("run %d of broker %d", c.runs[broker], broker)
}

// Close ends the process as SIGTERM does.
func (c *Cluster) Close(ctx context.Context) error {
	c.World.Note("close the process")
	return c.end(ctx)
}

// KillAll ends the process as kill -9 does: its disks have all that was written.
func (c *Cluster) KillAll(ctx context.Context) {
	c.World.Note("kill -9 the process")
	c.crash(ctx, c.World.Kill)
}

// PowerCut cuts the power of the machine: its disks have what was synced, and
// of the rest what the seed leaves.
func (c *Cluster) PowerCut(ctx context.Context) {
	c.World.Note("power cut of the machine")
	c.crash(ctx, func(id int32) { c.World.PowerCut(id, vfs.PowerCut()) })
}

// Abandon ends the process if it is still up, as a run that has failed leaves it.
func (c *Cluster) Abandon(ctx context.Context) {
	if c.Engine() != nil {
		_ = c.end(context.WithoutCancel(ctx)) // what is wrong has been told
	}
}

func (c *Cluster) crash(ctx context.Context, disk func(id int32)) {
	disk(Process) // first: nothing is acknowledged from here on
	for _, id := range c.IDs() {
		disk(id)
	}
	c.World.Net.Reset(netx.AnyHost, Host)
	_ = c.end(ctx) // it has no disk any more, and says so
}

// end closes what there is of the process.
func (c *Cluster) end(ctx context.Context) error {
	c.mu.Lock()
	e := c.engine
	c.engine = nil
	c.mu.Unlock()
	if e == nil {
		return errors.New("the process is down already")
	}
	closing := time.Now()
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	err := e.Close(ctx)
	c.acts.Wait()
	if took := time.Since(closing); took > endTime+time.Second {
		c.World.Ledger.Break(check.Stuck, "closing took %v", took)
	}
	c.follow()
	c.done.Wait()
	return err
}
