package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/vfs"
)

// cluster is controllers over links in memory, in virtual time.
type cluster struct {
	t       *testing.T
	hub     *event.Hub
	links   *netx.Links
	voters  []int32
	members []int32
	disks   map[int32]*vfs.Mem
	tweak   func(*Config)
	unwatch func()

	mu    sync.Mutex
	nodes map[int32]*Controller
}

// link is how one controller reaches the others.
type link struct {
	*cluster
	from int32
}

func (c *cluster) node(id int32) *Controller {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id]
}

func (l link) Send(to int32, message []byte) {
	l.links.Post(l.from, to, func() {
		if n := l.node(to); n != nil {
			if err := n.Receive(message); err != nil {
				l.t.Log(err) // lost, as on a network
			}
		}
	})
}

func (l link) Ask(ctx context.Context, to int32, fn func(*Controller) error) error {
	if err := l.links.Trip(ctx, l.from, to); err != nil {
		return err
	}
	n := l.node(to)
	if n == nil {
		return netx.ErrDown
	}
	if err := fn(n); err != nil {
		return err
	}
	return l.links.Trip(ctx, to, l.from)
}

// newCluster starts voters 1 to voters, and learners up to members.
func newCluster(t *testing.T, voters, members int32, tweak func(*Config)) *cluster {
	c := &cluster{t: t, hub: event.New(), links: netx.NewLinks(), tweak: tweak, disks: map[int32]*vfs.Mem{}, nodes: map[int32]*Controller{}}
	for id := int32(1); id <= members; id++ {
		c.disks[id] = vfs.NewCrashable()
		c.members = append(c.members, id)
		if id <= voters {
			c.voters = append(c.voters, id)
		}
	}
	c.unwatch = c.links.Watch(func(id int32, down bool) {
		for _, n := range c.running() {
			if down {
				n.Lost(id)
			} else {
				n.Found(id)
			}
		}
	})
	for _, id := range c.members {
		c.start(id, testBrokers(members))
	}
	return c
}

func (c *cluster) running() map[int32]*Controller {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[int32]*Controller, len(c.nodes))
	for id, n := range c.nodes {
		out[id] = n
	}
	return out
}

// start opens a controller; brokers are those that start with the process.
func (c *cluster) start(id int32, brokers []metadata.Broker) {
	c.t.Helper()
	cfg := Config{
		ID: id, Voters: c.voters, Learners: without(c.members, c.voters), FS: c.disks[id], Peers: link{c, id}, Brokers: brokers,
		Hub: c.hub, Logger: slog.New(slog.DiscardHandler), SessionTimeout: -1, MaxReplicationFactor: len(c.members),
	}
	if c.tweak != nil {
		c.tweak(&cfg)
	}
	n, err := Open(context.Background(), cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.nodes[id] = n
	c.mu.Unlock()
	for _, other := range c.members {
		if c.links.Down(other) && other != id {
			n.Lost(other)
		}
	}
	c.links.SetDown(id, false)
}

// crash takes a controller away as a power cut does; told says whether the
// others learn of it by their connections.
func (c *cluster) crash(id int32, told bool) {
	c.mu.Lock()
	n := c.nodes[id]
	delete(c.nodes, id)
	c.mu.Unlock()
	if told {
		c.links.SetDown(id, true)
	}
	c.disks[id] = c.disks[id].Crash(rand.New(rand.NewPCG(1, 2)), vfs.LoseAll())
	_ = n.Close() // its disk is gone
}

// isolate cuts a controller from all others, or heals its links.
func (c *cluster) isolate(id int32, cut bool) {
	for _, other := range c.members {
		switch {
		case other == id:
		case cut:
			c.links.Cut(id, other)
			c.links.Cut(other, id)
		default:
			c.links.Heal(id, other)
			c.links.Heal(other, id)
		}
	}
}

func (c *cluster) close() {
	c.unwatch()
	for _, n := range c.running() {
		if err := n.Close(); err != nil {
			c.t.Error(err)
		}
	}
}

// leader waits until a controller that can be reached is active.
func (c *cluster) leader(but ...int32) *Controller {
	c.t.Helper()
	for range 4000 {
		for id, n := range c.running() {
			if n.Active() && len(without([]int32{id}, but)) == 1 {
				return n
			}
		}
		time.Sleep(time.Millisecond)
	}
	c.t.Fatal("no controller was elected")
	return nil
}

// agree waits until all controllers have the same image, and returns it.
func (c *cluster) agree() *metadata.Image {
	c.t.Helper()
	for range 1000 {
		want := c.leader().Image().AppendTo(nil)
		same := true
		for _, n := range c.running() {
			same = same && bytes.Equal(n.Image().AppendTo(nil), want)
		}
		if same {
			return c.leader().Image()
		}
		time.Sleep(defaultTick)
	}
	c.t.Fatal("the images differ")
	return nil
}

// within returns a context that ends after d of virtual time.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func tryCreate(ctx context.Context, c *Controller, name string) error {
	return c.CreateTopics(ctx, []NewTopic{{Name: name, Partitions: 1, ReplicationFactor: 1}}, false)[0].Err
}

func count(h *event.Hub, kind event.Kind) (n int) {
	all, _ := h.Since(0, event.RingSize)
	for _, e := range all {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func TestQuorum_SurvivesTheLossOfTheLeader(t *testing.T) {
	for _, size := range []int32{3, 5} {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprint(size, " told ", told), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { survive(t, size, told) })
			})
		}
	}
}

// survive loses the leader of three voters among size members.
func survive(t *testing.T, size int32, told bool) {
	c := newCluster(t, 3, size, nil)
	defer c.close()
	first := c.leader()
	create(t, first, "one", 3)
	c.agree()
	began := time.Now()
	c.crash(first.cfg.ID, told)
	// Any other takes the request, and has the topic when it answers.
	for _, id := range without(c.members, []int32{first.cfg.ID}) {
		name := fmt.Sprint("from-", id)
		if err := tryCreate(within(t, 5*time.Second), c.node(id), name); err != nil {
			t.Fatal(err)
		}
		if c.node(id).Image().Topic(name) == nil {
			t.Fatalf("controller %d answered before it had what it answered", id)
		}
	}
	took := time.Since(began)
	if limit := map[bool]time.Duration{true: 100 * time.Millisecond, false: 1500 * time.Millisecond}[told]; took > limit {
		t.Errorf("the next decision took %s, want at most %s", took, limit)
	}
	if b, _ := c.leader().Image().Broker(first.cfg.ID); told && !b.Fenced {
		t.Error("a lost broker is not fenced")
	}
	c.start(first.cfg.ID, nil)
	img := c.agree()
	if img.TopicCount() != int(size) || img.ControllerEpoch() < 2 {
		t.Fatalf("epoch %d, topics %v", img.ControllerEpoch(), img.Topics())
	}
	if got := count(c.hub, event.TopicCreated); got != int(size) {
		t.Errorf("%d events tell of %d new topics", got, size)
	}
	if got := count(c.hub, event.ControllerElected); got != 2 {
		t.Errorf("%d events tell of 2 elections", got)
	}
}

func TestQuorum_AnIsolatedLeaderCannotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 3, nil)
		defer c.close()
		old := c.leader()
		create(t, old, "before", 1)
		c.agree()
		c.isolate(old.cfg.ID, true)
		wantCode(t, tryCreate(within(t, 2*time.Second), old, "lost"), kerr.RequestTimedOut)
		if old.Image().Topic("lost") != nil || old.Active() || old.Leader() != nobody {
			t.Fatalf("active %v, leader %d, topics %v", old.Active(), old.Leader(), old.Image().Topics())
		}
		create(t, c.leader(old.cfg.ID), "kept", 1)
		c.isolate(old.cfg.ID, false)
		img := c.agree()
		if img.Topic("lost") != nil || img.Topic("kept") == nil {
			t.Fatalf("topics %v", img.Topics())
		}
		// The log of the old leader diverged: it must hold after a restart too.
		c.crash(old.cfg.ID, true)
		c.start(old.cfg.ID, nil)
		if img := c.agree(); img.Topic("lost") != nil || img.Topic("kept") == nil {
			t.Fatalf("after a restart: topics %v", img.Topics())
		}
	})
}

// TestQuorum_WhatADeposedLeaderProposedIsNotDoneTwice loses the leader between
// its proposal and its answer, so that the requester has to find out.
func TestQuorum_WhatADeposedLeaderProposedIsNotDoneTwice(t *testing.T) {
	for _, replicated := range []bool{true, false} {
		t.Run(fmt.Sprint("replicated ", replicated), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3, 3, nil)
				defer c.close()
				old := c.leader()
				c.agree()
				for _, id := range without(c.members, []int32{old.cfg.ID}) {
					c.links.Cut(id, old.cfg.ID) // the others hear, and are not heard
					if !replicated {
						c.links.Cut(old.cfg.ID, id)
					}
				}
				done := make(chan error, 1)
				go func() { done <- tryCreate(within(t, 20*time.Second), old, "once") }()
				synctest.Wait()
				c.isolate(old.cfg.ID, true)
				next := c.leader(old.cfg.ID)
				if got := next.Image().Topic("once") != nil; got != replicated {
					t.Fatalf("the next leader has the topic: %v", got)
				}
				c.isolate(old.cfg.ID, false)
				if err := <-done; err != nil {
					t.Fatalf("the requester was told %v", err)
				}
				if c.agree().Topic("once") == nil || count(c.hub, event.ControllerElected) != 2 {
					t.Error("the topic is not there, or there were more elections")
				}
			})
		})
	}
}

func TestQuorum_ALateMemberIsGivenASnapshot(t *testing.T) {
	for _, late := range []int32{3, 4} { // a voter, a learner
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { catchUp(t, late) })
		})
	}
}

func catchUp(t *testing.T, late int32) {
	c := newCluster(t, 3, 4, func(cfg *Config) { cfg.SnapshotBytes, cfg.Campaign = 2<<10, cfg.ID == 1 })
	defer c.close()
	lead := c.leader()
	create(t, lead, "gone", 1)
	c.agree()
	c.crash(late, true)
	for i := range 100 {
		create(t, lead, fmt.Sprint("t", i), 2)
	}
	if r := lead.DeleteTopics(t.Context(), []TopicRef{{Name: "gone"}}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	c.start(late, nil)
	var topics atomic.Int64
	stop := c.node(late).Watch(func(_ *metadata.Image, d *metadata.Delta) {
		topics.Add(int64(len(d.TopicsCreated) - len(d.TopicsDeleted)))
	})
	c.agree()
	stop()
	if n := topics.Load(); n != 100 {
		t.Errorf("the watcher of the late member was told of %d topics", n)
	}
	names, err := c.disks[late].List(defaultDir)
	if err != nil || !strings.Contains(strings.Join(names, " "), snapshotSuffix) {
		t.Errorf("no snapshot was installed: %v, %v", names, err)
	}
	c.crash(late, true)
	c.start(late, nil)
	if n := c.agree().TopicCount(); n != 100 {
		t.Errorf("%d topics", n)
	}
}

func TestQuorum_EveryAcknowledgedTopicSurvivesLeadersThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 5, func(cfg *Config) { cfg.SnapshotBytes = 4 << 10 })
		defer c.close()
		var mu sync.Mutex
		var acked []string
		for round := range 16 {
			lead := c.leader()
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					name := fmt.Sprintf("r%d-%d", round, i)
					n := c.node(c.members[i%5])
					if n == nil {
						return
					}
					err := tryCreate(within(t, 10*time.Second), n, name)
					if err == nil {
						mu.Lock()
						acked = append(acked, name)
						mu.Unlock()
					} else if n != lead || !errors.Is(err, kerr.NotController) && !errors.Is(err, kerr.KafkaStorageError) && !errors.Is(err, kerr.RequestTimedOut) {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			disturb(c, lead.cfg.ID, round%5, wg.Wait)
		}
		img := c.agree()
		if len(acked) < 140 {
			t.Errorf("only %d topics were acknowledged", len(acked))
		}
		for _, name := range acked {
			if img.Topic(name) == nil {
				t.Errorf("%s was acknowledged and is gone", name)
			}
		}
	})
}

// disturb does something to the leader while requests are under way.
func disturb(c *cluster, lead int32, how int, wait func()) {
	switch how {
	case 0, 1:
		c.crash(lead, how == 0)
		wait()
		c.leader()
		c.start(lead, nil)
	case 2:
		c.isolate(lead, true)
		time.Sleep(2 * time.Second)
		c.isolate(lead, false)
		wait()
	case 3:
		c.node(lead).Pause()
		c.links.SetPaused(lead, true)
		time.Sleep(2 * time.Second)
		c.links.SetPaused(lead, false)
		c.node(lead).Resume()
		wait()
	default:
		wait()
	}
}

// TestQuorum_ALeaderWhoseDiskFailsGivesWay sees the next decision made long
// before anybody could have missed the leader.
func TestQuorum_ALeaderWhoseDiskFailsGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := map[int32]*vfs.Faulty{}
		c := newCluster(t, 3, 3, func(cfg *Config) {
			faulty[cfg.ID] = vfs.NewFaulty(cfg.FS, 1)
			cfg.FS = faulty[cfg.ID]
		})
		old := c.leader()
		c.agree()
		faulty[old.cfg.ID].Inject(vfs.Fault{Op: vfs.OpSync, Err: errors.New("the disk says no")})
		began := time.Now()
		if err := tryCreate(within(t, 5*time.Second), c.node(old.cfg.ID%3+1), "kept"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 300*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		wantCode(t, tryCreate(within(t, time.Second), old, "refused"), kerr.KafkaStorageError)
		c.unwatch()
		for id, n := range c.running() {
			if err := n.Close(); (err != nil) != (id == old.cfg.ID) {
				t.Errorf("controller %d closed with %v", id, err)
			}
		}
	})
}

// TestQuorum_StartsAtOnce has the most advanced voter stand for election before
// anybody's clock has run down.
func TestQuorum_StartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := newCluster(t, 3, 3, func(cfg *Config) { cfg.Campaign = cfg.ID == 1 })
		defer c.close()
		create(t, c.node(3), "t", 3)
		if took := time.Since(began); took > 200*time.Millisecond || c.leader().cfg.ID != 1 {
			t.Errorf("it took %s, and %d leads", took, c.leader().cfg.ID)
		}
	})
}

func TestQuorum_IsDescribedByEveryMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 5, nil)
		defer c.close()
		lead := c.leader()
		create(t, lead, "t", 1)
		c.agree()
		time.Sleep(time.Second)
		c.crash(5, true)
		time.Sleep(time.Second)
		create(t, lead, "u", 1)
		time.Sleep(200 * time.Millisecond)
		for id, n := range c.running() {
			q, err := n.Quorum(within(t, time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if q.Leader != lead.cfg.ID || len(q.Voters) != 3 || len(q.Observers) != 2 || q.HighWatermark < 4 {
				t.Fatalf("controller %d says %+v", id, q)
			}
			for _, r := range append(q.Voters, q.Observers...) {
				gone := r.ID == 5
				if behind := r.LogEnd < q.HighWatermark; behind != gone {
					t.Errorf("replica %d is at %d of %d", r.ID, r.LogEnd, q.HighWatermark)
				}
				if late := time.Since(r.LastCaughtUp) > 500*time.Millisecond; late != gone || r.LastFetch.IsZero() {
					t.Errorf("replica %d was heard of at %s and had caught up at %s", r.ID, r.LastFetch, r.LastCaughtUp)
				}
			}
		}
	})
}

func TestPause_StopsAllAndResumeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1, func(cfg *Config) { cfg.SessionTimeout = time.Second })
		defer c.close()
		n := c.node(1)
		n.Pause()
		wantCode(t, tryCreate(within(t, time.Second), n, "t"), kerr.RequestTimedOut)
		if _, err := n.Heartbeat(within(t, time.Second), Heartbeat{Broker: 1, Epoch: 2}); !errors.Is(err, kerr.RequestTimedOut) {
			t.Errorf("a heartbeat to a paused controller: %v", err)
		}
		time.Sleep(time.Hour)
		n.Resume()
		time.Sleep(500 * time.Millisecond)
		if b, _ := n.Image().Broker(1); b.Fenced {
			t.Error("a broker was fenced for the controller's own pause")
		}
		if err := tryCreate(within(t, time.Second), n, "t"); err != nil {
			t.Error(err)
		}
		n.Pause()
	})
}
