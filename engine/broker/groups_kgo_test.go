package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/coordinator"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/vfs"
)

// tally counts what the members of a group have read.
type tally struct {
	mu     sync.Mutex
	seen   map[string]int
	change chan struct{}
}

func newTally() *tally { return &tally{seen: map[string]int{}, change: make(chan struct{}, 1)} }

func (a *tally) add(value string) {
	a.mu.Lock()
	a.seen[value]++
	a.mu.Unlock()
	select {
	case a.change <- struct{}{}:
	default:
	}
}

// wait waits until all of from to to were read.
func (a *tally) wait(t *testing.T, from, to int) {
	t.Helper()
	ctx := timeout(t)
	for {
		missing := 0
		a.mu.Lock()
		for i := from; i < to; i++ {
			if a.seen[fmt.Sprint(i)] == 0 {
				missing++
			}
		}
		a.mu.Unlock()
		if missing == 0 {
			return
		}
		select {
		case <-a.change:
		case <-ctx.Done():
			t.Fatalf("%d of %d records were not read", missing, to-from)
		}
	}
}

// member runs a consumer of the group until stop is called, which leaves.
func (n *testNode) member(group, topic string, a *tally, opts ...kgo.Opt) (stop func()) {
	cl := n.client(append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.HeartbeatInterval(100 * time.Millisecond),
	}, opts...)...)
	var done sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	done.Go(func() {
		for ctx.Err() == nil {
			fetches := cl.PollFetches(ctx)
			fetches.EachRecord(func(r *kgo.Record) { a.add(string(r.Value)) })
			// Also after stop: what was read counts.
			if err := cl.CommitUncommittedOffsets(timeout(n.t)); err != nil && !rebalanced(err) {
				n.t.Errorf("commit: %v", err)
			}
			cl.AllowRebalance()
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		done.Wait()
		cl.Close()
	})
}

// rebalanced says that a commit came too late for its generation.
func rebalanced(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID)
}

func (n *testNode) produce(topic string, from, to int) {
	n.t.Helper()
	cl := n.client(kgo.DefaultProduceTopic(topic))
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)})
	}
	must(n.t, cl.ProduceSync(timeout(n.t), records...).FirstErr())
}

// TestGroups_MembersShareAndResume lets members come and go, eager and
// cooperative, restarts the broker, and sees that all is read and that a group
// goes on where it was.
func TestGroups_MembersShareAndResume(t *testing.T) {
	for _, balancer := range []kgo.GroupBalancer{kgo.RangeBalancer(), kgo.CooperativeStickyBalancer()} {
		t.Run(balancer.ProtocolName(), func(t *testing.T) {
			disk := vfs.NewMem()
			n := startNode(t, nodeOptions{fs: disk})
			n.createTopic("t", 12)
			a := newTally()
			var stops []func()
			for i := range 3 {
				stops = append(stops, n.member("g", "t", a, kgo.Balancers(balancer)))
				n.produce("t", i*100, i*100+100)
			}
			a.wait(t, 0, 300)
			stops[0]()
			n.produce("t", 300, 400)
			a.wait(t, 300, 400)
			for _, stop := range stops {
				stop()
			}
			n.close()

			n = startNode(t, nodeOptions{fs: disk})
			n.produce("t", 400, 500)
			resumed := newTally()
			stop := n.member("g", "t", resumed, kgo.Balancers(balancer))
			resumed.wait(t, 400, 500)
			stop()
			resumed.mu.Lock()
			defer resumed.mu.Unlock()
			if len(resumed.seen) != 100 {
				t.Fatalf("%d records were read again after the restart", len(resumed.seen)-100)
			}
			var committed int64
			for _, g := range n.hub.Groups() {
				committed += max(g.Committed.Load(), 0)
			}
			if committed != 500 {
				t.Fatalf("the gauges say that %d of 500 are committed", committed)
			}
		})
	}
}

// TestGroups_StaticMemberRestartsUnnoticed restarts a static member: its
// partitions stay its own, under a new member id and in the same generation.
func TestGroups_StaticMemberRestartsUnnoticed(t *testing.T) {
	n := startNode(t, nodeOptions{})
	n.createTopic("t", 2)
	a := newTally()
	one := n.client(kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.InstanceID("one"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	n.produce("t", 0, 10)
	for _, r := range consume(t, one, 10) {
		a.add(string(r.Value))
	}
	_, before := one.GroupMetadata()
	must(t, one.CommitUncommittedOffsets(timeout(t)))
	one.Close() // static members do not leave
	n.produce("t", 10, 20)
	two := n.client(kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.InstanceID("one"))
	for _, r := range consume(t, two, 10) {
		a.add(string(r.Value))
	}
	a.wait(t, 0, 20)
	if _, after := two.GroupMetadata(); after != before {
		t.Fatalf("the restart made generation %d out of %d", after, before)
	}
}

func TestGroups_DeletedTopicTakesItsOffsetsAlong(t *testing.T) {
	n := startNode(t, nodeOptions{})
	n.createTopic("t", 1)
	n.produce("t", 0, 5)
	stop := n.member("g", "t", newTally())
	key := event.GroupKey{Group: "g", Topic: "t"}
	n.until(func() bool { return n.hub.Group(key).Committed.Load() == 5 })
	stop()
	n.deleteTopic("t")
	n.until(func() bool {
		for _, g := range n.hub.Groups() {
			if g.GroupKey == key {
				return false
			}
		}
		return true
	})
	n.createTopic("t", 1)
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Version, fetch.Group = 5, "g"
	fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	if at := n.dial().ask(fetch).(*kmsg.OffsetFetchResponse).Topics[0].Partitions[0].Offset; at != -1 {
		t.Fatalf("a topic that was made again has offset %d", at)
	}
}

// until waits for something that another goroutine of the broker does soon.
func (n *testNode) until(yes func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !yes(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatal("it does not happen")
		}
	}
}

func TestFindCoordinator_MakesTheTopic(t *testing.T) {
	for name, ask := range map[string]kmsg.Request{
		"find": &kmsg.FindCoordinatorRequest{Version: 3, CoordinatorKey: "g"},
		"metadata": &kmsg.MetadataRequest{Version: 8, AllowAutoTopicCreation: true,
			Topics: []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr(coordinator.OffsetsTopic)}}},
	} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t, nodeOptions{settings: map[string]string{"offsets.topic.num.partitions": "7", "group.min.session.timeout.ms": "1"}})
			n.dial().ask(ask)
			topic := n.controller.Image().Topic(coordinator.OffsetsTopic)
			if topic == nil || len(topic.Partitions) != 7 || topic.Config["cleanup.policy"] != "compact" || !topic.Internal {
				t.Fatalf("the topic is %+v", topic)
			}
			if got := n.groups.Partitions(); got != 7 {
				t.Fatalf("the coordinators think of %d partitions", got)
			}
			join := kmsg.NewPtrJoinGroupRequest()
			join.Group, join.ProtocolType, join.SessionTimeoutMillis = "g", "consumer", 2
			join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
			r := n.dial()
			n.until(func() bool {
				code := r.ask(join).(*kmsg.JoinGroupResponse).ErrorCode
				if code != 0 && code != kerr.CoordinatorLoadInProgress.Code {
					t.Fatalf("join: %v; the setting of the session timeout is not heeded", kerr.ErrorForCode(code))
				}
				return code == 0
			})
		})
	}
}

func TestFindCoordinator_OfTransactions(t *testing.T) {
	n := startNode(t, nodeOptions{})
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorType, find.CoordinatorKeys = 6, 1, []string{"tx"}
	got := n.dial().ask(find).(*kmsg.FindCoordinatorResponse).Coordinators[0]
	if got.ErrorCode != kerr.TransactionalIDAuthorizationFailed.Code || got.ErrorMessage == nil {
		t.Fatalf("got %+v", got)
	}
}
