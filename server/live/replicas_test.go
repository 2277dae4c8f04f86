package live

import (
	"slices"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// of returns the row of a partition's replica on a broker.
func (r *reader) of(t *testing.T, number, broker int32) (PartitionRow, ReplicaRow) {
	t.Helper()
	for _, p := range r.partitions {
		if p.Number != number {
			continue
		}
		for _, x := range p.Replicas {
			if x.Broker == broker {
				return p, x
			}
		}
		return p, ReplicaRow{}
	}
	t.Fatalf("no partition %d", number)
	return PartitionRow{}, ReplicaRow{}
}

// watched is a topic of one partition with three replicas, led by broker 1, and
// somebody who looks at it. step samples and lets the reader read.
func watched(t *testing.T) (f fake, r *reader, step func(events ...event.State)) {
	t.Helper()
	f = fake{event.New()}
	f.topic("orders", 1)
	f.follower("orders", 0, 1)
	f.follower("orders", 0, 2)
	l := New(f.hub, quiet(Options{}))
	now := time.Now()
	l.sample(now)
	r = join(t, l, ViewCluster, 0)
	r.read(t)
	return f, r, func(events ...event.State) {
		for _, e := range events {
			f.hub.Emit(e)
		}
		now = now.Add(fastTick)
		l.pushEvents(now)
		l.sample(now)
		r.read(t)
	}
}

func TestReplicas_FollowersFlowLagAndSync(t *testing.T) {
	f, r, step := watched(t)
	f.produce("app", "orders", 0, 10)
	f.replicate("orders", 0, 1)
	step()
	_, second := r.of(t, 0, 2)
	_, third := r.of(t, 0, 3)
	if !second.InSync || second.Records != 10 || second.End != 10 || third.InSync || third.Records != 0 || third.End != 0 {
		t.Errorf("second %+v, third %+v", second, third)
	}
	if _, leader := r.of(t, 0, 1); !leader.InSync {
		t.Error("the leader is out of sync with itself")
	}
}

// A broker that is killed keeps its place and its numbers; the new leader's
// flow begins from where it stood as a follower, and no record is counted twice.
func TestReplicas_BrokerIsKilledAndComesBack(t *testing.T) {
	f, r, step := watched(t)
	f.produce("app", "orders", 0, 10)
	f.replicate("orders", 0, 1)
	f.replicate("orders", 0, 2)
	step()
	old, next := f.partition("orders", 0), f.follower("orders", 0, 1)
	old.Leader.Store(false)
	old.InSync.Store(false)
	old.Offline.Store(true)
	step(event.State{Kind: event.BrokerKilled, Broker: 1, Partition: -1},
		event.State{Kind: event.BrokerFenced, Broker: 1, Partition: -1, Text: "connection lost"},
		event.State{Kind: event.LeaderElected, Topic: "orders", Partition: 0, Broker: 2, Epoch: 1})
	next.Leader.Store(true)
	next.LeaderEpoch.Store(1)
	next.RecordsIn.Add(5)
	next.HighWatermark.Store(next.LogEnd.Add(5))
	step()
	p, killed := r.of(t, 0, 1)
	if p.Leader != 2 || p.Epoch != 1 || p.In != 15 || p.End != 15 || len(p.Replicas) != 3 {
		t.Errorf("after the election: %+v", p)
	}
	if killed.InSync || !killed.Offline {
		t.Errorf("the killed one: %+v", killed)
	}
	i := slices.IndexFunc(r.states, func(e StateEvent) bool { return e.Kind == string(event.BrokerFenced) })
	if i < 0 || r.states[i].Text != "Broker 1 was fenced (connection lost)" {
		t.Errorf("told: %+v", r.states)
	}
	old.Offline.Store(false)
	old.RecordsReplicated.Add(5)
	old.LogEnd.Store(15)
	old.InSync.Store(true)
	step(event.State{Kind: event.BrokerStarted, Broker: 1, Partition: -1, Text: "127.0.0.1:9092"}, event.State{Kind: event.BrokerUnfenced, Broker: 1, Partition: -1})
	if _, back := r.of(t, 0, 1); !back.InSync || back.Offline || back.Records != 5 || back.End != 15 {
		t.Errorf("back: %+v", back)
	}
}

// A broker that hangs goes on taking itself for the leader; the election of the
// newer epoch counts, also where nobody was elected.
func TestReplicas_ElectionBeatsAPausedLeader(t *testing.T) {
	_, r, step := watched(t)
	step(event.State{Kind: event.BrokerPaused, Broker: 1, Partition: -1}, event.State{Kind: event.LeaderElected, Topic: "orders", Partition: 0, Broker: 3, Epoch: 4})
	if p, _ := r.of(t, 0, 3); p.Leader != 3 || p.Epoch != 4 {
		t.Errorf("led by %d in epoch %d", p.Leader, p.Epoch)
	}
	step(event.State{Kind: event.LeaderElected, Topic: "orders", Partition: 0, Broker: -1, Epoch: 5})
	if p, _ := r.of(t, 0, 3); p.Leader != -1 {
		t.Errorf("led by %d", p.Leader)
	}
}

// A broker that hangs goes on taking itself for in sync, too.
func TestReplicas_WhoLeftTheIsrIsOutWhateverItThinks(t *testing.T) {
	f, r, step := watched(t)
	f.follower("orders", 0, 1).InSync.Store(true)
	step(event.State{Kind: event.IsrShrunk, Topic: "orders", Partition: 0, Broker: 2, A: 2})
	if _, second := r.of(t, 0, 2); second.InSync {
		t.Error("in sync after it left")
	}
	step(event.State{Kind: event.IsrExpanded, Topic: "orders", Partition: 0, Broker: 2, A: 3})
	if _, second := r.of(t, 0, 2); !second.InSync {
		t.Error("out of sync after it came back")
	}
	step(event.State{Kind: event.IsrShrunk, Topic: "orders", Partition: 0, Broker: 2, A: 2},
		event.State{Kind: event.LeaderElected, Topic: "orders", Partition: 0, Broker: 2, Epoch: 3},
		event.State{Kind: event.LeaderElected, Topic: "orders", Partition: 0, Broker: 1, Epoch: 4})
	if _, second := r.of(t, 0, 2); !second.InSync {
		t.Error("it led after it had left: it is in sync")
	}
}

// Reassignment takes a replica away and adds another.
func TestReplicas_SetChanges(t *testing.T) {
	f, r, step := watched(t)
	f.hub.DropPartition(event.PartitionKey{Broker: 3, Topic: "orders", Partition: 0})
	f.hub.Partition(event.PartitionKey{Broker: 4, Topic: "orders", Partition: 0}).InSync.Store(true)
	step()
	if p, fourth := r.of(t, 0, 4); len(p.Replicas) != 3 || !fourth.InSync {
		t.Errorf("replicas %+v", p.Replicas)
	}
	if _, gone := r.of(t, 0, 3); gone.ID != 0 {
		t.Errorf("still there: %+v", gone)
	}
}

func TestBrokers_StatesFollowEvents(t *testing.T) {
	hub := event.New()
	l := New(hub, quiet(Options{}))
	for _, c := range []struct {
		kind event.Kind
		want Broker
	}{
		{event.BrokerStarted, Broker{State: "running", Up: true, Address: "x"}},
		{event.BrokerPaused, Broker{State: "paused", Address: "x"}},
		{event.BrokerFenced, Broker{State: "paused", Fenced: true, Address: "x"}},
		{event.BrokerResumed, Broker{State: "running", Up: true, Fenced: true, Address: "x"}},
		{event.BrokerUnfenced, Broker{State: "running", Up: true, Address: "x"}},
		{event.BrokerDraining, Broker{State: "draining", Up: true, Address: "x"}},
		{event.BrokerStopped, Broker{State: "stopped", Address: "x"}},
		{event.BrokerFailed, Broker{State: "failed", Cause: "x", Address: "x"}},
		{event.BrokerKilled, Broker{State: "killed", Address: "x"}},
	} {
		hub.Emit(event.State{Kind: c.kind, Broker: 7, Partition: -1, Text: "x"})
		l.pushEvents(time.Now())
		m, err := l.Snapshot(ViewCluster)
		if err != nil {
			t.Fatal(err)
		}
		c.want.ID = 7
		if len(m.Brokers) != 1 || m.Brokers[0] != c.want {
			t.Errorf("%s: %+v", c.kind, m.Brokers)
		}
	}
	hub.Emit(event.State{Kind: event.BrokerFailed, Broker: -1, Partition: -1, Text: "the journal is full"})
	l.pushEvents(time.Now())
	if m, err := l.Snapshot(ViewCluster); err != nil || m.Journal != "the journal is full" || len(m.Brokers) != 1 {
		t.Errorf("%v %+v", err, m)
	}
}
