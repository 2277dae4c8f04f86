package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/vfs"
)

// disks are the disks of a cluster in memory, which outlive it.
type disks struct {
	mu     sync.Mutex
	faulty map[int32]*vfs.Faulty
}

func (d *disks) open(id int32) (vfs.FS, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faulty[id] == nil {
		d.faulty[id] = vfs.NewFaulty(vfs.NewMem(), 1)
	}
	return d.faulty[id], nil
}

// virtual is a cluster in virtual time, and the network that it is on.
type virtual struct {
	*Engine
	t   *testing.T
	net *netx.Mem
}

func (v *virtual) open(brokers int, d *disks) {
	v.t.Helper()
	var err error
	v.Engine, err = Open(v.t.Context(), Config{
		Brokers: brokers, Network: v.net, FS: d.open, Listeners: []Listener{{Name: "PLAINTEXT", Bind: "127.0.0.1:9092"}},
	})
	v.must(err)
}

func (v *virtual) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// inVirtualTime runs a test with a cluster of brokers in a bubble.
func inVirtualTime(t *testing.T, brokers int, test func(v *virtual, d *disks)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := &virtual{t: t, net: netx.NewMem()}
		d := &disks{faulty: map[int32]*vfs.Faulty{}}
		v.open(brokers, d)
		defer func() { v.close() }()
		test(v, d)
	})
}

// close closes the cluster, which must not take long.
func (v *virtual) close() {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	v.must(v.Close(ctx))
}

// image is what a broker that runs knows.
func (v *virtual) image(id int32) *metadata.Image { return v.node(id).controller.Load().Image() }

// create makes a topic of six partitions with three replicas each, by a broker.
func (v *virtual) create(by int32, name string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	res := v.node(by).controller.Load().CreateTopics(ctx, []controller.NewTopic{{Name: name, Partitions: 6, ReplicationFactor: 3}}, false)
	v.must(res[0].Err)
}

// within waits until a broker's image is as wanted, at most so long.
func (v *virtual) within(d time.Duration, id int32, what string, done func(img *metadata.Image) bool) time.Duration {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	started := time.Now()
	if err := v.node(id).controller.Load().Await(ctx, done); err != nil {
		v.t.Fatalf("%s: not within %v", what, d)
	}
	return time.Since(started)
}

// leads says how many partitions a broker leads, and whether all have a leader.
func leads(img *metadata.Image, topic string, id int32) (n int, all bool) {
	t := img.Topic(topic)
	if t == nil {
		return 0, false
	}
	all = true
	for _, p := range t.Partitions {
		if p.Leader == id {
			n++
		}
		all = all && p.Leader >= 0
	}
	return n, all
}

func other(id int32) int32 { return id%3 + 1 }

func TestVirtual_LeadersMoveSoonAndComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		away func(v *virtual, b *Broker)
		back func(b *Broker) error
		soon time.Duration
	}{
		"kill":  {func(v *virtual, b *Broker) { v.must(b.Kill()) }, func(b *Broker) error { return b.Start(context.Background()) }, 200 * time.Millisecond},
		"stop":  {func(v *virtual, b *Broker) { v.must(b.Stop(context.Background())) }, func(b *Broker) error { return b.Start(context.Background()) }, 200 * time.Millisecond},
		"pause": {func(v *virtual, b *Broker) { v.must(b.Pause()) }, (*Broker).Resume, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(v *virtual, _ *disks) {
				v.create(1, "t")
				for id := int32(1); id <= 3; id++ { // one of them is the active controller
					witness := other(id)
					c.away(v, v.Broker(id))
					took := v.within(c.soon, witness, "others lead", func(img *metadata.Image) bool {
						n, all := leads(img, "t", id)
						return n == 0 && all
					})
					v.t.Logf("without broker %d others lead after %v", id, took)
					v.create(witness, fmt.Sprintf("made-without-%d", id))
					v.must(c.back(v.Broker(id)))
					v.within(30*time.Second, id, "the preferred leader is back", func(img *metadata.Image) bool {
						n, _ := leads(img, "t", id)
						return n == 2
					})
				}
			})
		})
	}
}

// All brokers stop together: nobody takes over, and the next start finds every
// log ended in order.
func TestVirtual_CloseShufflesNoLeaders(t *testing.T) {
	inVirtualTime(t, 3, func(v *virtual, d *disks) {
		v.create(1, "t")
		before := v.image(1).Topic("t").Partitions
		v.close()
		v.open(3, d)
		for i, p := range v.image(1).Topic("t").Partitions {
			if p.Leader != before[i].Leader || len(p.ISR) != 3 {
				t.Errorf("partition %d: leader %d with ISR %v, it was %d with %v", i, p.Leader, p.ISR, before[i].Leader, before[i].ISR)
			}
		}
		if v.Fresh() {
			t.Error("a restart is said to be a fresh start")
		}
		for _, n := range v.nodes {
			if !n.replicas.Load().Clean() {
				t.Errorf("broker %d did not end in order", n.id)
			}
		}
	})
}

func TestVirtual_StartSaysWhatIsInItsWay(t *testing.T) {
	inVirtualTime(t, 3, func(v *virtual, _ *disks) {
		b := v.Broker(2)
		v.must(b.Kill())
		squatter, err := v.net.Listen(context.Background(), "127.0.0.1:9093")
		v.must(err)
		var taken *ListenError
		if err := b.Start(context.Background()); !errors.As(err, &taken) || taken.Address != "127.0.0.1:9093" {
			t.Fatalf("a taken address gives %v", err)
		}
		if state, cause := b.State(); state != Failed || !errors.Is(cause, taken) {
			t.Errorf("it is %s: %v", state, cause)
		}
		if err := v.Ready(); err == nil || !strings.Contains(err.Error(), "broker 2 has failed") {
			t.Errorf("the process is ready: %v", err)
		}
		v.must(squatter.Close())
		v.must(b.Start(context.Background()))
		v.must(v.Ready())

		// Without a majority of voters nobody can be registered.
		v.must(v.Broker(1).Kill())
		v.must(v.Broker(3).Kill())
		v.must(b.Kill())
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		started := time.Now()
		if err := b.Start(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != 5*time.Second {
			t.Errorf("alone: %v after %v", err, time.Since(started))
		}
		starts := make(chan error, 3)
		for id := int32(1); id <= 3; id++ {
			go func() { starts <- v.Broker(id).Start(context.Background()) }()
		}
		for range 3 {
			v.must(<-starts)
		}
		v.create(2, "t")
	})
}

func TestVirtual_WhatComesAcrossAStart(t *testing.T) {
	for name, across := range map[string]func(v *virtual, b *Broker){
		"kill": func(v *virtual, b *Broker) {
			v.must(b.Kill())
			if state, _ := b.State(); state != Killed {
				v.t.Errorf("it is %s", state)
			}
		},
		"close": func(v *virtual, _ *Broker) { v.close() },
		"start": func(v *virtual, b *Broker) {
			var wrong *StateError
			if err := b.Start(context.Background()); !errors.As(err, &wrong) || wrong.State != Starting {
				v.t.Errorf("a second start: %v", err)
			}
			v.must(b.Kill())
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(v *virtual, _ *disks) {
				b := v.Broker(3)
				for id := int32(1); id <= 3; id++ {
					v.must(v.Broker(id).Kill()) // one alone cannot be registered
				}
				started := make(chan error, 1)
				go func() { started <- b.Start(context.Background()) }()
				time.Sleep(time.Second)
				across(v, b)
				if err := <-started; err == nil {
					t.Error("the start that was broken off succeeded")
				}
			})
		})
	}
}

// A broker whose metadata log fails is ended while the others go on; where all
// fail, all stay, and the process says that it is not well.
func TestVirtual_MetadataLogFails(t *testing.T) {
	for name, c := range map[string]struct {
		broken []int32
		state  State
	}{
		"of one": {[]int32{2}, Failed},
		"of all": {[]int32{1, 2, 3}, Running},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(v *virtual, d *disks) {
				v.create(1, "t")
				for _, id := range c.broken {
					d.faulty[id].Inject(vfs.Fault{Op: vfs.OpSync, Path: metadataDir + "/*", Err: errors.New("no space")})
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				res := v.node(1).controller.Load().CreateTopics(ctx, []controller.NewTopic{{Name: "u", Partitions: 1, ReplicationFactor: 3}}, false)
				cancel()
				if (res[0].Err == nil) != (c.state == Failed) {
					t.Errorf("making a topic: %v", res[0].Err)
				}
				time.Sleep(2 * time.Second)
				if state, cause := v.Broker(2).State(); state != c.state || cause == nil {
					t.Errorf("it is %s: %v", state, cause)
				}
				if err := v.Ready(); err == nil || !strings.Contains(err.Error(), "no space") {
					t.Errorf("the process is ready: %v", err)
				}
				for _, id := range c.broken {
					d.faulty[id].Heal()
				}
				if c.state == Failed {
					v.must(v.Broker(2).Start(context.Background()))
					v.must(v.Ready())
				}
			})
		})
	}
}

// Whatever has become of brokers and links, closing ends and leaves nothing.
func TestVirtual_CloseInAnyState(t *testing.T) {
	for name, trouble := range map[string]func(v *virtual){
		"paused": func(v *virtual) { v.must(v.Broker(2).Pause()) },
		"all paused": func(v *virtual) {
			v.must(v.Broker(1).Pause())
			v.must(v.Broker(2).Pause())
			v.must(v.Broker(3).Pause())
		},
		"killed":              func(v *virtual) { v.must(v.Broker(1).Kill()) },
		"paused, then killed": func(v *virtual) { v.must(v.Broker(1).Pause()); v.must(v.Broker(1).Kill()) },
		"cut off": func(v *virtual) {
			for _, id := range []int32{2, 3} {
				v.Faults().Cut(1, id)
				v.Faults().Cut(id, 1)
			}
		},
		"slow": func(v *virtual) { v.Faults().SetDelay(1, 2, time.Minute) },
		"stopping": func(v *virtual) {
			go func() { _ = v.Broker(3).Stop(context.Background()) }()
			synctest.Wait()
		},
	} {
		for _, wait := range []time.Duration{0, 3 * time.Second} {
			t.Run(name, func(t *testing.T) {
				inVirtualTime(t, 4, func(v *virtual, _ *disks) {
					v.create(4, "t")
					trouble(v)
					time.Sleep(wait)
				})
			})
		}
	}
}
