package controller

import (
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

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// cluster is a quorum over a network in memory, in virtual time.
type cluster struct {
	t     *testing.T
	hub   *event.Hub
	disks map[int32]*vfs.Mem
	tweak func(*Config)

	mu    sync.Mutex
	nodes map[int32]*Controller
	cut   map[int32]bool // voters that nobody reaches
}

// link is the transport of one voter.
type link struct {
	*cluster
	from int32
}

func (l link) Ask(_ context.Context, to int32, fn func(*Controller) error) error {
	return fn(l.nodes[to])
}

func (l link) Send(to int32, message []byte) {
	l.mu.Lock()
	c := l.nodes[to]
	if l.cut[l.from] || l.cut[to] {
		c = nil
	}
	l.mu.Unlock()
	if c == nil {
		return
	}
	if err := c.Receive(message); err != nil {
		l.t.Log(err) // lost, as on a network
	}
}

func newCluster(t *testing.T, voters int32, tweak func(*Config)) *cluster {
	c := &cluster{t: t, hub: event.New(), tweak: tweak, disks: map[int32]*vfs.Mem{}, nodes: map[int32]*Controller{}, cut: map[int32]bool{}}
	for id := int32(1); id <= voters; id++ {
		c.disks[id] = vfs.NewCrashable()
	}
	for id := int32(1); id <= voters; id++ {
		c.start(id)
	}
	return c
}

func (c *cluster) start(id int32) {
	c.t.Helper()
	cfg := Config{
		ID: id, FS: c.disks[id], Peers: link{c, id}, Brokers: testBrokers(3),
		Hub: c.hub, Logger: slog.New(slog.DiscardHandler),
	}
	for v := range c.disks {
		cfg.Voters = append(cfg.Voters, v)
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
}

// crash takes a voter away as a power cut does.
func (c *cluster) crash(id int32) {
	c.mu.Lock()
	n := c.nodes[id]
	delete(c.nodes, id)
	c.mu.Unlock()
	c.disks[id] = c.disks[id].Crash(rand.New(rand.NewPCG(1, 2)), vfs.LoseAll())
	_ = n.Close() // its disk is gone
}

func (c *cluster) isolate(id int32, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut[id] = cut
}

func (c *cluster) close() {
	for _, n := range c.nodes {
		if err := n.Close(); err != nil {
			c.t.Error(err)
		}
	}
}

// leader waits until one voter that can be reached is active.
func (c *cluster) leader() *Controller {
	c.t.Helper()
	for range 1000 {
		for id, n := range c.nodes {
			if n.Active() && !c.cut[id] {
				return n
			}
		}
		time.Sleep(defaultTick)
	}
	c.t.Fatal("no controller was elected")
	return nil
}

// agree waits until all voters have the same image, and returns it.
func (c *cluster) agree() *metadata.Image {
	c.t.Helper()
	want := c.leader().Image().AppendTo(nil)
	for range 1000 {
		same := true
		for _, n := range c.nodes {
			same = same && cmp.Equal(n.Image().AppendTo(nil), want)
		}
		if same {
			return c.leader().Image()
		}
		time.Sleep(defaultTick)
		want = c.leader().Image().AppendTo(nil)
	}
	c.t.Fatal("the images differ")
	return nil
}

func TestThreeVoters_SurviveTheLossOfTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		first := c.leader()
		create(t, first, "one", 3)
		img := c.agree()
		if img.Controller() != first.cfg.ID || img.Topic("one") == nil {
			t.Fatalf("controller %d, topics %v", img.Controller(), img.Topics())
		}
		for _, n := range c.nodes {
			if n != first {
				r := n.CreateTopics(t.Context(), []NewTopic{{Name: "no", Partitions: 1, ReplicationFactor: 1}}, false)
				wantCode(t, r[0].Err, kerr.NotController)
			}
		}
		c.crash(first.cfg.ID)
		second := c.leader()
		create(t, second, "two", 1)
		c.start(first.cfg.ID)
		img = c.agree()
		if img.Topic("one") == nil || img.Topic("two") == nil || img.ControllerEpoch() < 2 {
			t.Fatalf("epoch %d, topics %v", img.ControllerEpoch(), img.Topics())
		}
		if got := count(c.hub, event.TopicCreated); got != 2 {
			t.Errorf("%d events tell of 2 new topics", got)
		}
		if got := count(c.hub, event.ControllerElected); got != 2 {
			t.Errorf("%d events tell of 2 elections", got)
		}
	})
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

func TestThreeVoters_AnIsolatedLeaderCannotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		defer c.close()
		old := c.leader()
		create(t, old, "before", 1)
		c.agree()
		c.isolate(old.cfg.ID, true)
		r := old.CreateTopics(t.Context(), []NewTopic{{Name: "lost", Partitions: 1, ReplicationFactor: 1}}, false)
		wantCode(t, r[0].Err, kerr.NotController)
		if old.Image().Topic("lost") != nil {
			t.Fatal("an uncommitted topic is in the image")
		}
		create(t, c.leader(), "kept", 1)
		c.isolate(old.cfg.ID, false)
		img := c.agree()
		if img.Topic("lost") != nil || img.Topic("kept") == nil {
			t.Fatalf("topics %v", img.Topics())
		}
		// The log of the old leader diverged: it must hold after a restart too.
		c.crash(old.cfg.ID)
		c.start(old.cfg.ID)
		if img := c.agree(); img.Topic("lost") != nil || img.Topic("kept") == nil {
			t.Fatalf("after a restart: topics %v", img.Topics())
		}
	})
}

func TestThreeVoters_ALateVoterIsGivenASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, func(cfg *Config) { cfg.SnapshotBytes = 2 << 10 })
		defer c.close()
		lead := c.leader()
		create(t, lead, "gone", 1)
		c.agree()
		late := lead.cfg.ID%3 + 1
		c.crash(late)
		for i := range 100 {
			create(t, lead, fmt.Sprint("t", i), 2)
		}
		if r := lead.DeleteTopics(t.Context(), []TopicRef{{Name: "gone"}}); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		c.start(late)
		var topics atomic.Int64
		stop := c.nodes[late].Watch(func(_ *metadata.Image, d *metadata.Delta) {
			topics.Add(int64(len(d.TopicsCreated) - len(d.TopicsDeleted)))
		})
		c.agree()
		stop()
		if n := topics.Load(); n != 100 {
			t.Errorf("the watcher of the late voter was told of %d topics", n)
		}
		names, err := c.disks[late].List(defaultDir)
		if err != nil || !strings.HasSuffix(strings.Join(names, " "), snapshotSuffix) {
			t.Errorf("no snapshot was installed: %v, %v", names, err)
		}
		c.crash(late)
		c.start(late)
		if n := c.agree().TopicCount(); n != 100 {
			t.Errorf("%d topics", n)
		}
	})
}

func TestThreeVoters_EveryAcknowledgedTopicSurvivesLeadersThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, func(cfg *Config) { cfg.SnapshotBytes = 4 << 10 })
		defer c.close()
		var acked []string
		for round := range 12 {
			lead := c.leader()
			var wg sync.WaitGroup
			var mu sync.Mutex
			for i := range 10 {
				wg.Go(func() {
					name := fmt.Sprintf("r%d-%d", round, i)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					r := lead.CreateTopics(ctx, []NewTopic{{Name: name, Partitions: 1, ReplicationFactor: 1}}, false)
					if r[0].Err == nil {
						mu.Lock()
						acked = append(acked, name)
						mu.Unlock()
					} else if !errors.Is(r[0].Err, kerr.NotController) && !errors.Is(r[0].Err, kerr.RequestTimedOut) && !errors.Is(r[0].Err, kerr.KafkaStorageError) {
						t.Errorf("%s: %v", name, r[0].Err)
					}
				})
			}
			switch round % 3 {
			case 0:
				c.crash(lead.cfg.ID)
				wg.Wait()
				c.leader()
				c.start(lead.cfg.ID)
			case 1:
				c.isolate(lead.cfg.ID, true)
				wg.Wait()
				c.leader()
				c.isolate(lead.cfg.ID, false)
			default:
				wg.Wait()
			}
		}
		img := c.agree()
		if len(acked) < 30 {
			t.Errorf("only %d topics were acknowledged", len(acked))
		}
		for _, name := range acked {
			if img.Topic(name) == nil {
				t.Errorf("%s was acknowledged and is gone", name)
			}
		}
	})
}
