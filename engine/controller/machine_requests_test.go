package controller

import (
	"cmp"
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

func codeOf(err error) string {
	var k *kerr.Error
	if errors.As(err, &k) {
		return k.Message
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestAlterPartitions has the errors of KIP-497 and KIP-903, and what a change
// of the ISR leads to.
func TestAlterPartitions(t *testing.T) {
	plain := setup{partition: "1@4 [1 2 3] isr[1 2]"}
	ask := func(isr ...int32) AlterPartition {
		return AlterPartition{Topic: topicT, LeaderEpoch: 4, PartitionEpoch: 10, ISR: isr}
	}
	with := func(p AlterPartition, change func(*AlterPartition)) AlterPartition { change(&p); return p }
	for _, c := range []struct {
		name string
		setup
		broker int32 // 0: 1
		stale  bool
		ask    AlterPartition
		want   string // the partition, or the error
	}{
		{"expand", plain, 0, false, ask(1, 2, 3), "1@4 [1 2 3] isr[1 2 3]"},
		{"shrink", plain, 0, false, ask(1), "1@4 [1 2 3] isr[1]"},
		{"shrink below min ISR", setup{partition: "1@4 [1 2 3] isr[1 2]", config: []string{"min.insync.replicas", "2"}}, 0, false, ask(1), "1@4 [1 2 3] isr[1] elr[2]"},
		{"expand to min ISR", setup{partition: "1@4 [1 2 3] isr[1] elr[2]", config: []string{"min.insync.replicas", "2"}}, 0, false, ask(1, 3), "1@4 [1 2 3] isr[1 3]"},
		{"as it is", plain, 0, false, ask(1, 2), "1@4 [1 2 3] isr[1 2]"},
		{"an earlier run of the broker", plain, 0, true, ask(1), "STALE_BROKER_EPOCH"},
		{"an unknown broker", plain, 9, true, ask(1), "BROKER_ID_NOT_REGISTERED"},
		{"not the leader", plain, 2, false, ask(1, 2), "INVALID_REQUEST"},
		{"an unknown topic", plain, 0, false, with(ask(1), func(p *AlterPartition) { p.Topic = metadata.UUID{1} }), "UNKNOWN_TOPIC_ID"},
		{"an unknown partition", plain, 0, false, with(ask(1), func(p *AlterPartition) { p.Partition = 1 }), "UNKNOWN_TOPIC_OR_PARTITION"},
		{"a negative partition", plain, 0, false, with(ask(1), func(p *AlterPartition) { p.Partition = -1 }), "UNKNOWN_TOPIC_OR_PARTITION"},
		{"an old leader epoch", plain, 0, false, with(ask(1), func(p *AlterPartition) { p.LeaderEpoch = 3 }), "FENCED_LEADER_EPOCH"},
		{"a leader epoch of the future", plain, 0, false, with(ask(1), func(p *AlterPartition) { p.LeaderEpoch = 5 }), "NOT_CONTROLLER"},
		{"an old partition epoch", plain, 0, false, with(ask(1), func(p *AlterPartition) { p.PartitionEpoch = 9 }), "INVALID_UPDATE_VERSION"},
		{"a partition epoch of the future", plain, 0, false, with(ask(1), func(p *AlterPartition) { p.PartitionEpoch = 11 }), "NOT_CONTROLLER"},
		{"not a replica", plain, 0, false, ask(1, 4), "INVALID_REQUEST"},
		{"a replica twice", plain, 0, false, ask(1, 2, 2), "INVALID_REQUEST"},
		{"without the leader", plain, 0, false, ask(2, 3), "INVALID_REQUEST"},
		{"nobody", plain, 0, false, ask(), "INVALID_REQUEST"},
		{"a fenced broker", setup{partition: "1@4 [1 2 3] isr[1 2]", fenced: []int32{3}}, 0, false, ask(1, 2, 3), "INELIGIBLE_REPLICA"},
		{"a draining broker", setup{partition: "1@4 [1 2 3] isr[1 2]", draining: []int32{3}}, 0, false, ask(1, 2, 3), "INELIGIBLE_REPLICA"},
		{"an earlier run of a follower", plain, 0, false, with(ask(1, 2, 3), func(p *AlterPartition) { p.ISREpochs = []int64{-1, -1, 1} }), "INELIGIBLE_REPLICA"},
		{"this run of a follower", plain, 0, false, with(ask(1, 2, 3), func(p *AlterPartition) { p.ISREpochs = []int64{-1, -1, 4} }), "1@4 [1 2 3] isr[1 2 3]"},
		{"too few epochs", plain, 0, false, with(ask(1, 2, 3), func(p *AlterPartition) { p.ISREpochs = []int64{4} }), "INVALID_REQUEST"},
		{"not all that were added", setup{partition: "1@4 [3 4 1] isr[1] +[3 4] -[1]"}, 0, false, ask(1, 3), "1@4 [3 4 1] isr[1 3] +[3 4] -[1]"},
		{"the last that was added: the leader goes", setup{partition: "1@4 [3 4 1] isr[1 3] +[3 4] -[1]"}, 0, false, ask(1, 3, 4), "NEW_LEADER_ELECTED 3@5 [3 4] isr[3 4]"},
		{"the last that was added: the leader stays", setup{partition: "1@4 [1 4 2] isr[1 2] +[4] -[2]"}, 0, false, ask(1, 2, 4), "1@5 [1 4] isr[1 4]"},
		{"an added one, nobody leaves", setup{partition: "1@4 [1 4] isr[1] +[4]"}, 0, false, ask(1, 4), "1@4 [1 4] isr[1 4]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.world(t)
			broker := max(c.broker, 1)
			epoch := epochOf(w, broker)
			if c.stale {
				epoch--
			}
			was := w.img
			r := run(w, command[[]AlterPartitionResult](alterPartitions{Broker: broker, Epoch: epoch, Partitions: []AlterPartition{c.ask}}))[0]
			got := codeOf(r.Err)
			if r.Err == nil || errors.Is(r.Err, kerr.NewLeaderElected) {
				if got != "" {
					got += " "
				}
				got += shown(r.Partition)
				if diff := gocmp.Diff(w.img.Topic("t").Partitions[0], r.Partition); diff != "" {
					t.Errorf("the answer is not what the image has:\n%s", diff)
				}
			} else if w.img.Offset() != was.Offset() {
				t.Error("it was refused and done")
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	w := plain.world(t)
	two := run(w, command[[]AlterPartitionResult](alterPartitions{Broker: 1, Epoch: epochOf(w, 1), Partitions: []AlterPartition{ask(1), ask(1, 2, 3)}}))
	if two[0].Err != nil || codeOf(two[1].Err) != "INVALID_REQUEST" {
		t.Errorf("named twice: %+v", two)
	}
}

func TestElectLeaders(t *testing.T) {
	p := TopicPartition{Topic: "t"}
	for _, c := range []struct {
		name string
		setup
		kind    ElectionType
		refused string
		want    string
	}{
		{"preferred", setup{partition: "2@4 [1 2 3] isr[1 2]"}, Preferred, "", "1@5 [1 2 3] isr[1 2]"},
		{"preferred already", setup{partition: "1@4 [1 2 3] isr[1 2]"}, Preferred, "ELECTION_NOT_NEEDED", "1@4 [1 2 3] isr[1 2]"},
		{"preferred is not in sync", setup{partition: "2@4 [1 2 3] isr[2]"}, Preferred, "PREFERRED_LEADER_NOT_AVAILABLE", "2@4 [1 2 3] isr[2]"},
		{"preferred is fenced", setup{partition: "2@4 [1 2 3] isr[2 1]", fenced: []int32{1}}, Preferred, "PREFERRED_LEADER_NOT_AVAILABLE", "2@4 [1 2 3] isr[2 1]"},
		{"preferred without a leader: not uncleanly", setup{partition: "-1@4 [1 2] isr[] elr[1]", fenced: []int32{1}}, Preferred, "PREFERRED_LEADER_NOT_AVAILABLE", "-1@4 [1 2] isr[] elr[1]"},
		{"unclean", setup{partition: "-1@4 [1 2 3] isr[] elr[1] known[1]", fenced: []int32{1}}, Unclean, "", "2@5 [1 2 3] isr[2]"},
		{"unclean, but there is a leader", setup{partition: "2@4 [1 2 3] isr[2]"}, Unclean, "ELECTION_NOT_NEEDED", "2@4 [1 2 3] isr[2]"},
		{"unclean, but nobody lives", setup{partition: "-1@4 [1 2] isr[] elr[1]", fenced: []int32{1, 2}}, Unclean, "ELIGIBLE_LEADERS_NOT_AVAILABLE", "-1@4 [1 2] isr[] elr[1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.world(t)
			r := run(w, command[electResults](electLeaders{c.kind, []TopicPartition{p}}))
			if got := codeOf(r.results[0].Err); got != c.refused {
				t.Errorf("got %q, want %q", got, c.refused)
			}
			if got := shown(w.img.Topic("t").Partitions[0]); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			// All partitions: those that need none are left out.
			all := run(c.world(t), command[electResults](electLeaders{c.kind, nil}))
			if needed := c.refused != "ELECTION_NOT_NEEDED"; (len(all.results) == 1) != needed || needed && codeOf(all.results[0].Err) != c.refused {
				t.Errorf("all: %+v", all.results)
			}
		})
	}
	w := setup{partition: "2@4 [1 2 3] isr[1 2]"}.world(t)
	r := run(w, command[electResults](electLeaders{Preferred, []TopicPartition{{Topic: "x"}, {Topic: "t", Partition: 1}, {Topic: "t", Partition: -1}, p, p}}))
	var got []string
	for _, e := range r.results {
		got = append(got, codeOf(e.Err))
	}
	if want := "[UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_OR_PARTITION  ELECTION_NOT_NEEDED]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if r := run(w, command[electResults](electLeaders{7, nil})); codeOf(r.err) != "INVALID_REQUEST" {
		t.Errorf("an unknown type: %v", r.err)
	}
}

func TestAlterReassignments(t *testing.T) {
	for _, c := range []struct {
		name string
		setup
		to     []int32
		keep   bool // the replication factor
		want   string
		refuse string
		cause  metadata.Cause // CauseReassignment if it is none
	}{
		{name: "move", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{3, 4}, want: "1@4 [3 4 1 2] isr[1 2] +[3 4] -[1 2]"},
		{name: "add", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{1, 2, 3}, want: "1@4 [1 2 3] isr[1 2] +[3]"},
		{name: "another order is done at once", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{2, 1}, want: "1@4 [2 1] isr[1 2]"},
		{name: "remove is done at once", setup: setup{partition: "1@4 [1 2 3] isr[1 2 3]"}, to: []int32{1, 2}, want: "1@5 [1 2] isr[1 2]"},
		{name: "remove the leader", setup: setup{partition: "1@4 [1 2 3] isr[1 2 3]"}, to: []int32{2, 3}, want: "2@5 [2 3] isr[2 3]"},
		{name: "remove all that are in sync waits", setup: setup{partition: "1@4 [1 2] isr[1]"}, to: []int32{2}, want: "1@4 [2 1] isr[1] -[1]"},
		{name: "remain must be in sync", setup: setup{partition: "1@4 [1 2 3] isr[1 3]"}, to: []int32{1, 2}, want: "1@4 [1 2 3] isr[1 3] -[3]"},
		{name: "as it is", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{1, 2}, want: "1@4 [1 2] isr[1 2]"},
		{name: "another aim", setup: setup{partition: "1@4 [3 4 1 2] isr[1 2 3] +[3 4] -[1 2]"}, to: []int32{1, 5}, want: "1@5 [1 5 2] isr[1 2] +[5] -[2]"},
		{name: "cancel", setup: setup{partition: "1@4 [3 4 1 2] isr[1 2 3] +[3 4] -[1 2]"}, want: "1@5 [1 2] isr[1 2]"},
		{name: "cancel, and an added one leads", setup: setup{partition: "3@4 [3 1] isr[1 3] +[3] -[1]"}, want: "1@5 [1] isr[1]"},
		{name: "cancel would lose", setup: setup{partition: "3@4 [3 1] isr[3] +[3] -[1]"}, want: "3@4 [3 1] isr[3] +[3] -[1]",
			refuse: "INVALID_REPLICA_ASSIGNMENT Unable to revert partition assignment for t:0 because it would require an unclean leader election."},
		{name: "cancel may lose", setup: setup{partition: "3@4 [3 1] isr[3] +[3] -[1]", config: []string{"unclean.leader.election.enable", "true"}}, want: "1@5 [1] isr[1]", cause: metadata.CauseUnclean},
		{name: "cancel nothing", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, want: "1@4 [1 2] isr[1 2]", refuse: "NO_REASSIGNMENT_IN_PROGRESS No partition reassignment is in progress."},
		{name: "nowhere", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{}, want: "1@4 [1 2] isr[1 2]", refuse: "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes an empty replica list."},
		{name: "unknown", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{9}, want: "1@4 [1 2] isr[1 2]", refuse: "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 9, but no such broker is registered."},
		{name: "twice", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{3, 3}, want: "1@4 [1 2] isr[1 2]", refuse: "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes the broker 3 more than once."},
		{name: "another factor", setup: setup{partition: "1@4 [1 2] isr[1 2]"}, to: []int32{1}, keep: true, want: "1@4 [1 2] isr[1 2]", refuse: "INVALID_REPLICATION_FACTOR The replication factor is changed from 2 to 1"},
		{name: "the factor before the move counts", setup: setup{partition: "1@4 [3 4 1 2] isr[1 2] +[3 4] -[1 2]"}, to: []int32{1, 5}, keep: true, want: "1@5 [1 5 2] isr[1 2] +[5] -[2]"},
		{name: "to a fenced broker", setup: setup{partition: "1@4 [1] isr[1]", fenced: []int32{2}}, to: []int32{2}, want: "1@4 [2 1] isr[1] +[2] -[1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.world(t)
			was := w.img
			r := run(w, command[[]ReassignResult](alterReassignments{[]Reassignment{{TopicPartition{Topic: "t"}, c.to}}, !c.keep}))
			wants(t, c.name, r[0].Err, c.refuse)
			checkPartition(t, was, w, c.want, cmp.Or(c.cause, metadata.CauseReassignment))
		})
	}
	w := setup{partition: "1@4 [1 2] isr[1 2]"}.world(t)
	r := run(w, command[[]ReassignResult](alterReassignments{[]Reassignment{{TopicPartition{Topic: "x"}, []int32{1}}, {TopicPartition{"t", 3}, nil},
		{TopicPartition{Topic: "t"}, []int32{1, 2, 3}}, {TopicPartition{Topic: "t"}, []int32{1}}}, true}))
	wants(t, "no topic", r[0].Err, "UNKNOWN_TOPIC_OR_PARTITION Unable to find a topic named x.")
	wants(t, "no partition", r[1].Err, "UNKNOWN_TOPIC_OR_PARTITION Unable to find partition t:3.")
	wants(t, "first", r[2].Err, "")
	wants(t, "again", r[3].Err, "INVALID_REQUEST The partition is named twice.")
}

// TestReassignment_ToItsEnd follows a move from its request to its end.
func TestReassignment_ToItsEnd(t *testing.T) {
	w := setup{partition: "1@4 [1 2] isr[1 2]"}.world(t)
	run(w, command[[]ReassignResult](alterReassignments{[]Reassignment{{TopicPartition{Topic: "t"}, []int32{3, 4}}}, true}))
	for _, step := range []struct {
		isr  []int32
		want string
	}{
		{[]int32{1, 2, 4}, "1@4 [3 4 1 2] isr[1 2 4] +[3 4] -[1 2]"},
		{[]int32{1, 2, 3, 4}, "3@5 [3 4] isr[3 4]"},
	} {
		p := w.img.Topic("t").Partitions[0]
		run(w, command[[]AlterPartitionResult](alterPartitions{Broker: 1, Epoch: epochOf(w, 1), Partitions: []AlterPartition{
			{Topic: topicT, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: step.isr}}}))
		if got := shown(w.img.Topic("t").Partitions[0]); got != step.want {
			t.Fatalf("got  %s\nwant %s", got, step.want)
		}
	}
}

// TestHeartbeats walks through the states of a broker.
func TestHeartbeats(t *testing.T) {
	w := setup{partition: "1@4 [1 2] isr[1 2]"}.world(t)
	epoch := epochOf(w, 1)
	ask := func(h Heartbeat, drained, others int64) heartbeatResult {
		h.Broker = 1
		if h.Epoch == 0 {
			h.Epoch = epoch
		}
		return run(w, command[heartbeatResult](heartbeat{h, drained, others}))
	}
	state := func() string {
		b, _ := w.img.Broker(1)
		return fmt.Sprintf("fenced %v, draining %v", b.Fenced, b.Draining)
	}
	for _, step := range []struct {
		name            string
		ask             Heartbeat
		drained, others int64
		want            HeartbeatResult
		state           string
		records         bool
	}{
		{"all is well", Heartbeat{Offset: 100}, -1, noOthers, HeartbeatResult{CaughtUp: true}, "fenced false, draining false", false},
		{"it wants to be fenced", Heartbeat{Offset: 100, WantFence: true}, -1, noOthers, HeartbeatResult{Fenced: true, CaughtUp: true}, "fenced true, draining false", true},
		{"and to stay so", Heartbeat{Offset: 100, WantFence: true}, -1, noOthers, HeartbeatResult{Fenced: true, CaughtUp: true}, "fenced true, draining false", false},
		{"it is behind", Heartbeat{Offset: 1}, -1, noOthers, HeartbeatResult{Fenced: true}, "fenced true, draining false", false},
		{"it is back", Heartbeat{Offset: 100}, -1, noOthers, HeartbeatResult{CaughtUp: true}, "fenced false, draining false", true},
		{"it wants to end", Heartbeat{Offset: 100, WantShutdown: true}, -1, noOthers, HeartbeatResult{CaughtUp: true}, "fenced false, draining true", true},
		{"others do not know yet", Heartbeat{Offset: 100, WantShutdown: true}, 50, 49, HeartbeatResult{CaughtUp: true}, "fenced false, draining true", false},
		{"it changes its mind: too late", Heartbeat{Offset: 100}, 50, 49, HeartbeatResult{CaughtUp: true}, "fenced false, draining true", false},
		{"others know", Heartbeat{Offset: 100, WantShutdown: true}, 50, 50, HeartbeatResult{Fenced: true, CaughtUp: true, ShutDown: true}, "fenced true, draining false", true},
		{"it did not hear", Heartbeat{Offset: 100, WantShutdown: true}, 50, 50, HeartbeatResult{Fenced: true, CaughtUp: true, ShutDown: true}, "fenced true, draining false", false},
	} {
		r := ask(step.ask, step.drained, step.others)
		if r.err != nil || r.HeartbeatResult != step.want || state() != step.state || (len(w.recs) > 0) != step.records {
			t.Errorf("%s: %+v, %s, %d records", step.name, r, state(), len(w.recs))
		}
		if quiet, ok := (heartbeat{Heartbeat: Heartbeat{Broker: 1, Epoch: epoch, Offset: 100}}).quiet(w.img); ok && (quiet.Fenced || state() != "fenced false, draining false") {
			t.Errorf("%s: a heartbeat is taken for one that changes nothing", step.name)
		}
	}
	if r := ask(Heartbeat{Epoch: epoch + 1}, -1, noOthers); codeOf(r.err) != "STALE_BROKER_EPOCH" {
		t.Errorf("another epoch: %v", r.err)
	}
	if r := run(w, command[heartbeatResult](heartbeat{Heartbeat: Heartbeat{Broker: 9}})); codeOf(r.err) != "BROKER_ID_NOT_REGISTERED" {
		t.Errorf("an unknown broker: %v", r.err)
	}
	if got := shown(w.img.Topic("t").Partitions[0]); got != "2@5 [1 2] isr[2]" {
		t.Errorf("in the end: %s", got)
	}
}

// TestHeartbeat_ALeaderDoesNotEnd has a draining broker that leads something
// for whatever reason wait.
func TestHeartbeat_ALeaderDoesNotEnd(t *testing.T) {
	w := setup{partition: "1@4 [1 2] isr[1 2]", draining: []int32{1}}.world(t)
	r := run(w, command[heartbeatResult](heartbeat{Heartbeat{Broker: 1, Epoch: epochOf(w, 1), Offset: 100, WantShutdown: true}, 1, noOthers}))
	if r.ShutDown || r.Fenced {
		t.Errorf("%+v", r)
	}
}

func TestRegisterBroker(t *testing.T) {
	w := setup{partition: "1@4 [1 2] isr[1 2]"}.world(t)
	before := epochOf(w, 2)
	first := run(w, command[brokerResult](registerBroker{Broker: incarnation(2), Clean: true}))
	b, _ := w.img.Broker(2)
	if first.err != nil || first.epoch <= before || b.Epoch != first.epoch || !b.Fenced || b.Incarnation != incarnation(2).Incarnation {
		t.Errorf("a new run: %+v, %+v", first, b)
	}
	if again := run(w, command[brokerResult](registerBroker{Broker: incarnation(2)})); again.epoch != first.epoch || len(w.recs) != 0 {
		t.Errorf("the same run again: %+v, %d records", again, len(w.recs))
	}
	moved := incarnation(2)
	moved.Rack = "r"
	if again := run(w, command[brokerResult](registerBroker{Broker: moved})); again.epoch != first.epoch {
		t.Errorf("the same run elsewhere: %+v", again)
	}
	if b, _ = w.img.Broker(2); b.Rack != "r" || !b.Fenced {
		t.Errorf("%+v", b)
	}
	if r := run(w, command[brokerResult](registerBroker{})); codeOf(r.err) != "INVALID_REQUEST" {
		t.Errorf("id 0: %v", r.err)
	}
	if r := run(w, command[error](unregisterBroker{2})); r != nil {
		t.Error(r)
	}
	if r := run(w, command[error](unregisterBroker{2})); codeOf(r) != "BROKER_ID_NOT_REGISTERED" {
		t.Errorf("unregistered twice: %v", r)
	}
	if _, r := (allocateProducerIDs{2}).run(&w.m, w.img, time.Time{}); !errors.Is(r.err, kerr.StaleBrokerEpoch) {
		t.Errorf("an unregistered broker was given producer ids: %v", r.err)
	}
}

func TestFenceBrokers_OnlyInTheRunThatWasSeen(t *testing.T) {
	w := setup{partition: "1@4 [1 2] isr[1 2]"}.world(t)
	run(w, command[error](fenceBrokers{map[int32]int64{1: epochOf(w, 1) - 1, 2: epochOf(w, 2), 9: 1}, metadata.CauseSession}))
	if got := shown(w.img.Topic("t").Partitions[0]); got != "1@4 [1 2] isr[1]" {
		t.Error(got)
	}
}

func TestBalance(t *testing.T) {
	many := func(led ...int32) *world { // partitions that all prefer broker 1
		w := newWorld(t, 3, 3, nil)
		recs := []metadata.Record{metadata.TopicRecord{ID: topicT, Name: "t"}}
		for n, leader := range led {
			recs = append(recs, metadata.PartitionRecord{TopicID: topicT, Partition: int32(n), Leader: leader, Replicas: []int32{1, 2, 3}, ISR: []int32{1, 2, 3}})
		}
		w.apply(recs)
		return w
	}
	away := func(w *world) (n int) {
		for _, p := range w.img.Topic("t").Partitions {
			if p.Leader != 1 {
				n++
			}
		}
		return n
	}
	ten := []int32{2, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	for _, c := range []struct {
		name string
		w    *world
		do   []metadata.Record
		want int
	}{
		{"as it should be", many(1, 1, 1), nil, 0},
		{"one of ten is not above ten percent", many(ten...), nil, 1},
		{"two of ten are", many(append([]int32{2}, ten[:9]...)...), nil, 0},
		{"switched off", many(2, 2, 2), []metadata.Record{setAll("auto.leader.rebalance.enable", "false")}, 3},
		{"a higher percentage", many(2, 1, 1), []metadata.Record{setAll("leader.imbalance.per.broker.percentage", "40")}, 1},
		{"the preferred leader is fenced", many(2, 2), []metadata.Record{metadata.BrokerChangeRecord{ID: 1, Fenced: true}}, 2},
		{"it is draining", many(2, 2), []metadata.Record{metadata.BrokerChangeRecord{ID: 1, Draining: true}}, 2},
		{"it is not in sync", many(2, 2), []metadata.Record{metadata.PartitionChangeRecord{TopicID: topicT, Leader: metadata.LeaderUnchanged, ISR: []int32{2, 3}}}, 1},
	} {
		c.w.apply(c.do)
		if err := run(c.w, command[error](balance{})); err != nil || away(c.w) != c.want {
			t.Errorf("%s: %d are elsewhere, want %d; %v", c.name, away(c.w), c.want, err)
		}
	}
}

func setAll(name, value string) metadata.Record {
	return metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceBroker}, Name: name, Value: &value}
}

// TestBegin has what a newly elected controller begins with.
func TestBegin(t *testing.T) {
	brokers := func(run byte, n int32) []metadata.Broker {
		all := testBrokers(n)
		for i := range all {
			all[i].Incarnation[0] = run
		}
		return all
	}
	w := newWorld(t, 3, 3, nil)
	w.create(NewTopic{Name: "a", Partitions: 1, ReplicationFactor: -1, Assignment: nil})
	first := w.img
	for _, c := range []struct {
		name   string
		before []metadata.Record
		cfg    Config
		lost   map[int32]bool
		want   string // leader epoch, and of each broker whether it has a new epoch, and is fenced
	}{
		{"the second controller of a process", nil, Config{ID: 2, Brokers: testBrokers(3)}, nil, "0: same same same"},
		{"a controller that started later", nil, Config{ID: 2}, nil, "0: same same same"},
		{"the first of a process", nil, Config{ID: 2, Brokers: brokers(5, 3)}, nil, "1: new new new"},
		{"fenced in the last run, starting now", []metadata.Record{metadata.BrokerChangeRecord{ID: 2, Fenced: true}}, Config{ID: 1, Brokers: brokers(5, 3)}, nil, "1: new new new"},
		{"started again on its own, another controller's turn", []metadata.Record{registration(first, nil, incarnation(3))}, Config{ID: 2, Brokers: testBrokers(3)}, nil, "0: same same new"},
		{"lost before the election", nil, Config{ID: 2, Brokers: testBrokers(3)}, map[int32]bool{3: true}, "0: same same same fenced"},
		{"lost as the process starts", nil, Config{ID: 2, Brokers: brokers(5, 3)}, map[int32]bool{3: true}, "1: new new new fenced"},
		{"one is not here any more", nil, Config{ID: 2, Brokers: brokers(5, 2)}, nil, "1: new new same fenced"},
	} {
		w.img = first
		w.apply(c.before)
		recs, err := w.m.begin(w.img, c.cfg, 7, c.lost)
		if err != nil {
			t.Fatal(err)
		}
		w.apply(recs)
		got := fmt.Sprint(w.img.Topic("a").Partitions[0].LeaderEpoch, ":")
		for _, b := range w.img.Brokers() {
			old, _ := first.Broker(b.ID)
			got += map[bool]string{true: " same", false: " new"}[b.Epoch == old.Epoch]
			if b.Fenced {
				got += " fenced"
			}
		}
		if got != c.want || w.img.Controller() != c.cfg.ID || w.img.ControllerEpoch() != 7 {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
