package live

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/event"
)

func TestFeed_EventsComeAtOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := event.New()
		l := started(t, hub, Options{})
		r := join(t, l, ViewEvents, 0)
		r.read(t)
		for i := range 10 {
			hub.Emit(event.State{Kind: event.TopicCreated, Topic: topicName(i), A: 1, Broker: -1, Partition: -1})
		}
		synctest.Wait() // no time passes: nothing waits for the sampler
		r.read(t)
		if len(r.states) != 10 {
			t.Fatalf("%d of 10 events", len(r.states))
		}
		for i, e := range r.states {
			if e.Seq != uint64(i+1) || e.Topic != topicName(i) {
				t.Fatalf("event %d is %+v", i, e)
			}
		}
		if len(r.frames) != 0 {
			t.Error("a view of events alone got frames")
		}
	})
}

func TestFeed_HiddenClientsComeAndGoInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := event.New()
		l := started(t, hub, Options{})
		r := join(t, l, ViewEvents, 0)
		for range 3 {
			hub.Emit(event.State{Kind: event.ClientConnected, Broker: 1, Partition: -1, ClientID: "logarium-console"})
			hub.Emit(event.State{Kind: event.ClientConnected, Broker: 1, Partition: -1, ClientID: "app"})
		}
		synctest.Wait()
		r.read(t)
		late := join(t, l, ViewEvents, 0)
		late.read(t)
		for name, states := range map[string][]StateEvent{"pushed": r.states, "replayed": late.states, "listed": l.Events(10)} {
			if len(states) != 3 || states[0].ClientID != "app" {
				t.Errorf("%s: %+v", name, states)
			}
		}
	})
}

func TestFeed_BurstIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := event.New()
		l := started(t, hub, Options{})
		r := join(t, l, ViewEvents, 0)
		r.read(t)
		const all = 1000
		for range all {
			hub.Emit(event.State{Kind: event.LeaderElected, Topic: "t", Broker: 1})
		}
		time.Sleep(3 * time.Second)
		hub.Emit(event.State{Kind: event.TopicDeleted, Topic: "t", Broker: -1, Partition: -1})
		time.Sleep(time.Second)
		r.read(t)
		var counted uint64
		for _, b := range r.bursts {
			counted += b.Count
			if b.Kinds["leader.elected"] != b.Count {
				t.Errorf("burst: %+v", b)
			}
		}
		shown := len(r.states)
		if shown < burstShown || shown > burstLimit+1 || uint64(shown)+counted != all+1 {
			t.Errorf("%d shown and %d counted of %d", shown, counted, all+1)
		}
		if last := r.states[shown-1]; last.Kind != "topic.deleted" {
			t.Errorf("after the burst came %+v", last)
		}
	})
}

func TestFeed_ReplayBeginsAfterWhatTheReaderHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := event.New()
		l := started(t, hub, Options{})
		for i := range 100 {
			hub.Emit(event.State{Kind: event.TopicCreated, Topic: topicName(i), Broker: -1, Partition: -1})
		}
		synctest.Wait()
		for _, c := range []struct {
			name  string
			after uint64
			want  int
			first uint64
		}{
			{"new", 0, joinEvents, 71},
			{"was away for a moment", 97, 3, 98},
			{"was away for long", 10, 90, 11},
			{"has all", 100, 0, 0},
			{"comes from another process", 5000, joinEvents, 71},
		} {
			r := join(t, l, ViewEvents, c.after)
			r.read(t)
			if len(r.states) != c.want || (c.want > 0 && r.states[0].Seq != c.first) {
				t.Errorf("%s: %d events from %+v", c.name, len(r.states), r.states[:min(1, len(r.states))])
			}
		}
	})
}

func TestFeed_ReplayTellsWhatItLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := event.New()
		l := started(t, hub, Options{})
		for range 2000 {
			hub.Emit(event.State{Kind: event.SegmentRolled})
		}
		synctest.Wait()
		r := join(t, l, ViewEvents, 100)
		r.read(t)
		if len(r.states) != replayLimit || len(r.bursts) != 1 || r.bursts[0].Count != 2000-100-replayLimit {
			t.Fatalf("%d events and %+v", len(r.states), r.bursts)
		}
	})
}

func TestSubscriber_OverflowStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		r.read(t)
		const all = maxQueuedEvents + 300
		for i := range all {
			f.hub.Emit(event.State{Kind: event.SegmentRolled, A: int64(i)})
			time.Sleep(10 * time.Millisecond)
		}
		f.topic("late", 2)
		afterTicks(2)
		r.hello = nil
		r.read(t)
		if r.hello == nil {
			t.Fatal("no fresh model")
		}
		var counted uint64
		for _, b := range r.bursts {
			counted += b.Count
		}
		if got := counted + uint64(len(r.states)); got != all+1 {
			t.Errorf("%d events told or counted of %d", got, all+1)
		}
		if len(r.partitions) != 2 {
			t.Errorf("%d partitions in the fresh model", len(r.partitions))
		}
	})
}

func TestSentence_EveryKindHasWords(t *testing.T) {
	kinds := []event.Kind{
		event.BrokerStarted, event.BrokerStopped, event.BrokerFailed, event.ControllerElected, event.TopicCreated, event.TopicDeleted,
		event.PartitionsAdded, event.ConfigChanged, event.LeaderElected, event.IsrShrunk, event.IsrExpanded, event.SegmentRolled,
		event.SegmentDeleted, event.LogStartMoved, event.LogTruncated, event.LogCompacted, event.LogRecovered, event.ClientConnected,
		event.ClientGone, event.GroupCreated, event.GroupDeleted, event.GroupState, event.MemberJoined, event.MemberLeft,
		event.AssignmentChanged, event.OffsetsReset, event.BrokerKilled, event.BrokerPaused, event.BrokerResumed, event.BrokerRegistered,
		event.BrokerFenced, event.BrokerUnfenced, event.BrokerDraining, event.ReplicasChanged, event.FollowerStarted,
	}
	for _, k := range kinds {
		for _, e := range []event.State{
			{Kind: k, Broker: -1, Partition: -1},
			{Kind: k, Broker: 2, Topic: "orders", Partition: 3, Group: "billing", Member: "m", ClientID: "app", Epoch: 4, A: 1, B: 2, Text: "why"},
		} {
			s := sentence(&e)
			if s == string(k) || strings.Contains(s, "%!") || s == "" {
				t.Errorf("%s: %q", k, s)
			}
		}
	}
}
