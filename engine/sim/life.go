package sim

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/sim/check"
	"github.com/logarium/logarium/engine/vfs"
)

// actTime is how long a test waits for one broker to stop or start while other
// things are wrong.
const actTime = 20 * time.Second

// Crash says how a broker is killed.
type Crash int

// The ways.
const (
	KillNine   Crash = iota // its disk keeps what was written
	PowerFirst              // its disk fails, and then it is killed
	PowerAfter              // it is killed, and then its disk loses what was not synced
)

// state returns where a broker is in its life, engine.Stopped while the process is down.
func (c *Cluster) state(id int32) engine.State {
	e := c.Engine()
	if e == nil {
		return engine.Stopped
	}
	state, _ := e.Broker(id).State()
	return state
}

// Down says whether a broker is down.
func (c *Cluster) Down(broker int32) bool {
	return slices.Contains([]engine.State{engine.Stopped, engine.Killed, engine.Failed, engine.Starting}, c.state(broker))
}

// Paused says whether a broker is paused.
func (c *Cluster) Paused(broker int32) bool { return c.state(broker) == engine.Paused }

// next begins another run of a broker: what its gauges say from now on is to
// be seen apart from what they said before.
func (c *Cluster) next(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[id]++
}

// act does something with a broker and notes what came of it. It need not
// succeed: a test does what cannot be done, too.
func (c *Cluster) act(id int32, what string, do func(b *engine.Broker) error) error {
	e := c.Engine()
	if e == nil {
		return engine.ErrClosed
	}
	err := do(e.Broker(id))
	c.World.Note("%s broker %d: %v", what, id, outcome(err))
	return err
}

func outcome(err error) any {
	if err == nil {
		return "done"
	}
	return err
}

// Kill ends a broker. What its disk has afterwards is up to how.
func (c *Cluster) Kill(id int32, how Crash) {
	if how == PowerFirst {
		c.World.PowerCut(id, vfs.PowerCut())
	}
	_ = c.act(id, "kill", (*engine.Broker).Kill) // it was noted
	switch how {
	case KillNine:
		c.World.Kill(id)
	case PowerAfter:
		c.World.PowerCut(id, vfs.PowerCut())
	}
	c.next(id)
}

// Stop shuts a broker down, in the background.
func (c *Cluster) Stop(ctx context.Context, id int32) {
	c.background(ctx, func(ctx context.Context) {
		_ = c.act(id, "stop", func(b *engine.Broker) error { return b.Stop(ctx) }) // it was noted
		c.next(id)
	})
}

// Start starts a broker that is down, in the background.
func (c *Cluster) Start(ctx context.Context, id int32) {
	c.background(ctx, func(ctx context.Context) { _ = c.start(ctx, id) }) // it was noted
}

func (c *Cluster) start(ctx context.Context, id int32) error {
	c.next(id)
	return c.act(id, "start", func(b *engine.Broker) error { return b.Start(ctx) })
}

// background does something for a bounded time that a fault may come into.
func (c *Cluster) background(ctx context.Context, do func(ctx context.Context)) {
	c.acts.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, actTime)
		defer cancel()
		do(ctx)
	})
}

// Restart stops a broker and starts it again, and waits for both.
func (c *Cluster) Restart(ctx context.Context, id int32) {
	ctx, cancel := context.WithTimeout(ctx, 2*actTime)
	defer cancel()
	_ = c.act(id, "stop", func(b *engine.Broker) error { return b.Stop(ctx) }) // they were noted
	_ = c.start(ctx, id)
}

// Pause holds a broker as SIGSTOP would.
func (c *Cluster) Pause(id int32) { _ = c.act(id, "pause", (*engine.Broker).Pause) }

// Resume lets it go on.
func (c *Cluster) Resume(id int32) { _ = c.act(id, "resume", (*engine.Broker).Resume) }

// Sick notes that a disk had a failure that only a restart heals.
func (c *Cluster) Sick(disk int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sick[disk] = true
}

// Heal ends what was done to disks, brokers and the links between them: all
// that are down are started, in bounded time, and those whose disks have
// failed are started anew.
func (c *Cluster) Heal(ctx context.Context, bound time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for _, id := range append(c.IDs(), Process) {
		c.World.Calm(id)
	}
	e := c.Engine()
	if e == nil {
		c.acts.Wait()
		return
	}
	e.Faults().HealAll()
	for _, id := range c.IDs() {
		if c.Paused(id) {
			c.Resume(id)
		}
	}
	c.acts.Wait()
	c.mu.Lock()
	sick := c.sick
	c.sick = map[int32]bool{}
	c.mu.Unlock()
	var starts sync.WaitGroup
	for _, id := range c.IDs() {
		if sick[id] && !c.Down(id) {
			c.Kill(id, KillNine)
		}
		if c.Down(id) {
			starts.Go(func() {
				if err := c.start(ctx, id); err != nil && !errors.Is(err, engine.ErrClosed) {
					c.World.Ledger.Break(check.Stuck, "broker %d does not start, though nothing is wrong any more: %v", id, err)
				}
			})
		}
	}
	starts.Wait()
}

// delay makes all ways between brokers take their time.
func (c *Cluster) delay(e *engine.Engine) {
	for _, from := range c.IDs() {
		for _, to := range c.IDs() {
			if from != to {
				e.Faults().SetDelay(from, to, c.World.way())
			}
		}
	}
}

// Links does something with the links between brokers.
func (c *Cluster) Links(what string, do func(e *engine.Engine)) {
	e := c.Engine()
	if e == nil {
		return
	}
	c.World.Note("%s", what)
	do(e)
}

// HealLinks ends what was done to the links between brokers.
func (c *Cluster) HealLinks() {
	c.Links("heal the links between brokers", func(e *engine.Engine) {
		e.Faults().HealAll()
		c.delay(e)
	})
}
