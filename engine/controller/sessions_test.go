package controller

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// beat sends heartbeats of a broker until ctx ends, by the controller that node
// returns, as far as it returns one.
func beat(ctx context.Context, t *testing.T, id int32, node func() *Controller, more func(*Heartbeat, HeartbeatResult)) {
	var last HeartbeatResult
	for ctx.Err() == nil {
		if n := node(); n != nil {
			b, _ := n.Image().Broker(id)
			h := Heartbeat{Broker: id, Epoch: b.Epoch, Offset: n.Image().Offset()}
			if more != nil {
				more(&h, last)
			}
			try, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
			r, err := n.Heartbeat(try, h)
			cancel()
			switch {
			case err == nil:
				last = r
			case ctx.Err() == nil && !errors.Is(err, kerr.RequestTimedOut) && !errors.Is(err, kerr.NotController) && !errors.Is(err, kerr.StaleBrokerEpoch) && !errors.Is(err, kerr.BrokerIDNotRegistered):
				t.Errorf("broker %d: %v", id, err)
			}
		}
		time.Sleep(150 * time.Millisecond)
	}
}

// alive has brokers of a cluster send heartbeats until stop is called.
func (c *cluster) alive(ids ...int32) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() { beat(ctx, c.t, id, func() *Controller { return c.node(id) }, nil) })
	}
	return func() { cancel(); wg.Wait() }
}

func fencedOf(img *metadata.Image) (out []int32) {
	for _, b := range img.Brokers() {
		if b.Fenced {
			out = append(out, b.ID)
		}
	}
	return out
}

func withSessions(cfg *Config) { cfg.SessionTimeout, cfg.Campaign = 600*time.Millisecond, cfg.ID == 1 }

func wantFenced(t *testing.T, what string, c *cluster, want ...int32) {
	t.Helper()
	got := fencedOf(c.leader().Image())
	if len(without(got, want)) > 0 || len(without(want, got)) > 0 {
		t.Errorf("%s: fenced are %v, want %v", what, got, want)
	}
}

func TestSessions_ASilentBrokerIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 4, withSessions)
		defer c.close()
		defer c.alive(1, 2, 3)()
		time.Sleep(580 * time.Millisecond)
		wantFenced(t, "before its session ends", c)
		time.Sleep(100 * time.Millisecond)
		wantFenced(t, "after it", c, 4)
		stop := c.alive(4)
		time.Sleep(200 * time.Millisecond)
		wantFenced(t, "it is back", c)
		time.Sleep(time.Minute)
		wantFenced(t, "it stays", c)
		stop()
		all, _ := c.hub.Since(0, event.RingSize)
		var told []string
		for _, e := range all {
			if e.Broker == 4 {
				told = append(told, string(e.Kind)+" "+e.Text)
			}
		}
		if want := "broker.registered |broker.unfenced |broker.fenced session timeout|broker.unfenced |"; join(told) != want {
			t.Errorf("told %s", join(told))
		}
	})
}

func join(list []string) (s string) {
	for _, e := range list {
		s += e + "|"
	}
	return s
}

// TestSessions_BeginAnewWithANewController has the next controller give
// everybody a whole session, and then fence who is silent.
func TestSessions_BeginAnewWithANewController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 5, withSessions)
		defer c.close()
		defer c.alive(1, 2, 3, 4)()
		time.Sleep(400 * time.Millisecond)
		first := c.leader()
		first.Pause() // silently: the others find out by its silence
		c.links.SetPaused(first.cfg.ID, true)
		second := c.leader(first.cfg.ID)
		began := time.Now()
		if got := fencedOf(second.Image()); len(got) != 0 {
			t.Errorf("fenced at once: %v", got)
		}
		for len(fencedOf(second.Image())) < 2 {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took < 580*time.Millisecond || took > 700*time.Millisecond {
			t.Errorf("fenced after %s", took)
		}
		if got := without(fencedOf(second.Image()), []int32{first.cfg.ID, 5}); len(got) != 0 {
			t.Errorf("fenced as well: %v", got)
		}
		c.links.SetPaused(first.cfg.ID, false)
		first.Resume()
		time.Sleep(time.Second)
		wantFenced(t, "the paused one is back", c, 5)
	})
}

// TestSessions_AStarvedProcessFencesNobody stops the whole process for a
// while: the controller in its disk, the brokers in their sleep.
func TestSessions_AStarvedProcessFencesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		cfg := testConfig(disk, 3)
		cfg.SessionTimeout = 600 * time.Millisecond
		c := open(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var starved atomic.Bool
		for id := int32(1); id <= 3; id++ {
			wg.Go(func() {
				beat(ctx, t, id, func() *Controller {
					if starved.Load() {
						time.Sleep(5 * time.Second)
					}
					return c
				}, nil)
			})
		}
		time.Sleep(2 * time.Second)
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Times: 1, Do: func(vfs.Op, string) {
			starved.Store(true)
			time.Sleep(5 * time.Second)
			starved.Store(false)
		}})
		create(t, c, "slow", 1)
		time.Sleep(5 * time.Second)
		if n := count(cfg.Hub, event.BrokerFenced); n != 0 {
			t.Errorf("%d brokers were fenced", n)
		}
		cancel()
		wg.Wait()
	})
}

// TestSessions_ACutBrokerIsFencedAndComesBack cuts a broker's links, of which
// nobody is told.
func TestSessions_ACutBrokerIsFencedAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 3, withSessions)
		defer c.close()
		defer c.alive(1, 2, 3)()
		create(t, c.leader(), "t", 3)
		time.Sleep(time.Second)
		c.isolate(3, true)
		time.Sleep(time.Second)
		wantFenced(t, "cut", c, 3)
		c.isolate(3, false)
		time.Sleep(time.Second)
		wantFenced(t, "healed", c)
		if got := count(c.hub, event.ControllerElected); got != 1 {
			t.Errorf("%d elections: a voter that was cut off disturbed the others", got)
		}
	})
}

// TestLost_IsFencedAtOnce sees a broker whose connections were reset fenced
// without any session running out.
func TestLost_IsFencedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 4, func(cfg *Config) { cfg.Campaign = cfg.ID == 1 })
		defer c.close()
		create(t, c.leader(), "t", 1)
		c.agree()
		c.links.SetDown(4, true)
		synctest.Wait()
		wantFenced(t, "lost", c, 4)
		// Lost while another controller is elected.
		c.crash(1, true)
		c.links.SetDown(3, true)
		c.links.SetDown(3, false)
		c.leader()
		synctest.Wait()
		wantFenced(t, "lost before the election", c, 1, 4)
	})
}

// TestControlledShutdown_WaitsUntilTheOthersKnow holds back the image of one of
// the others.
func TestControlledShutdown_WaitsUntilTheOthersKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 3, withSessions)
		defer c.close()
		create(t, c.leader(), "t", 3)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		var mu sync.Mutex
		var ended time.Time
		slow := true
		wg.Go(func() { beat(ctx, t, 1, func() *Controller { return c.node(1) }, nil) })
		wg.Go(func() {
			beat(ctx, t, 2, func() *Controller { return c.node(2) }, func(h *Heartbeat, _ HeartbeatResult) {
				mu.Lock()
				defer mu.Unlock()
				if slow {
					h.Offset = 5
				}
			})
		})
		began := time.Now()
		wg.Go(func() {
			beat(ctx, t, 3, func() *Controller { return c.node(3) }, func(h *Heartbeat, last HeartbeatResult) {
				mu.Lock()
				defer mu.Unlock()
				h.WantShutdown = time.Since(began) > time.Second
				if last.ShutDown && ended.IsZero() {
					ended = time.Now()
				}
			})
		})
		time.Sleep(3 * time.Second)
		mu.Lock()
		if !ended.IsZero() {
			t.Error("it ended before the others knew")
		}
		slow = false
		mu.Unlock()
		for _, p := range c.leader().Image().Topic("t").Partitions {
			if p.Leader == 3 || p.Leader < 0 && p.Replicas[0] != 3 {
				t.Errorf("%+v", p)
			}
		}
		time.Sleep(500 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if ended.IsZero() {
			t.Error("it may not end, though all know")
		}
		if count(c.hub, event.BrokerDraining) != 1 {
			t.Error("no event tells of the controlled shutdown")
		}
	})
}

// TestBalance_GivesLeadershipBackByItself fences a broker and sees it lead
// again some time after it is back in sync.
func TestBalance_GivesLeadershipBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 3, withSessions)
		defer c.close()
		defer c.alive(1, 2, 3)()
		lead := c.leader()
		r := lead.CreateTopics(t.Context(), []NewTopic{{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: manual([]int32{3, 2, 1})}}, false)
		if r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		time.Sleep(10 * time.Second)
		c.isolate(3, true)
		time.Sleep(time.Second)
		c.isolate(3, false)
		time.Sleep(time.Second)
		p := lead.Image().Topic("t").Partitions[0]
		if p.Leader != 2 {
			t.Fatalf("%+v", p)
		}
		b, _ := lead.Image().Broker(2)
		got := lead.AlterPartitions(t.Context(), AlterPartitions{Broker: 2, Epoch: b.Epoch, Partitions: []AlterPartition{
			{Topic: r[0].ID, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: []int32{1, 2, 3}}}})
		if got[0].Err != nil {
			t.Fatal(got[0].Err)
		}
		time.Sleep(4 * time.Second)
		before := lead.Image().Topic("t").Partitions[0].Leader
		time.Sleep(6 * time.Second)
		if after := lead.Image().Topic("t").Partitions[0].Leader; after != 3 {
			t.Errorf("led by %d and then by %d", before, after)
		}
	})
}

func TestHeartbeat_OfAHealthyBrokerCostsNothing(t *testing.T) {
	c := open(t, testConfig(vfs.NewMem(), 1))
	b, _ := c.Image().Broker(1)
	before := c.Image().Offset()
	h := Heartbeat{Broker: 1, Epoch: b.Epoch, Offset: b.Epoch}
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := c.Heartbeat(context.Background(), h); err != nil {
			t.Fatal(err)
		}
	})
	if c.Image().Offset() != before {
		t.Error("heartbeats make records")
	}
	if allocs > 12 {
		t.Errorf("%v allocations", allocs)
	}
}
