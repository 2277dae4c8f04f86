package controller

import (
	"fmt"
	"strings"
	"testing"

	"github.com/logarium/logarium/engine/metadata"
)

// topicT is the id of the topic of these tests.
var topicT = metadata.UUID{0: 7}

// partition reads "leader@epoch [replicas] isr[…]" and, where they are not
// empty, " elr[…]", " known[…]", " +[…]" for adding and " -[…]" for removing.
func partition(t *testing.T, s string) metadata.Partition {
	t.Helper()
	var p metadata.Partition
	head, rest, _ := strings.Cut(s, " ")
	if _, err := fmt.Sscanf(head, "%d@%d", &p.Leader, &p.LeaderEpoch); err != nil {
		t.Fatal(s, err)
	}
	lists := map[string]*[]int32{"": &p.Replicas, "isr": &p.ISR, "elr": &p.ELR, "known": &p.LastKnownELR, "+": &p.Adding, "-": &p.Removing}
	for rest != "" {
		var name, list string
		name, rest, _ = strings.Cut(rest, "[")
		list, rest, _ = strings.Cut(rest, "]")
		to := lists[strings.TrimSpace(name)]
		if to == nil {
			t.Fatalf("%q in %q", name, s)
		}
		for word := range strings.FieldsSeq(list) {
			var id int32
			if _, err := fmt.Sscan(word, &id); err != nil {
				t.Fatal(s, err)
			}
			*to = append(*to, id)
		}
	}
	return p
}

// shown writes a partition as partition reads it.
func shown(p metadata.Partition) string {
	s := fmt.Sprintf("%d@%d %v isr%v", p.Leader, p.LeaderEpoch, p.Replicas, p.ISR)
	for _, l := range []struct {
		name string
		list []int32
	}{{"elr", p.ELR}, {"known", p.LastKnownELR}, {"+", p.Adding}, {"-", p.Removing}} {
		if len(l.list) > 0 {
			s += fmt.Sprintf(" %s%v", l.name, l.list)
		}
	}
	return s
}

// setup is a cluster of five brokers with one topic of one partition.
type setup struct {
	partition string
	fenced    []int32
	draining  []int32
	config    []string // of the topic
	cluster   []string // of all brokers
}

func (s setup) world(t *testing.T) *world {
	w := newWorld(t, 5, 5, nil)
	p := partition(t, s.partition)
	recs := []metadata.Record{metadata.TopicRecord{ID: topicT, Name: "t"}, metadata.PartitionRecord{
		TopicID: topicT, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: 10, Replicas: p.Replicas, ISR: p.ISR,
		Adding: p.Adding, Removing: p.Removing, ELR: p.ELR, LastKnownELR: p.LastKnownELR,
	}}
	for _, id := range s.fenced {
		recs = append(recs, metadata.BrokerChangeRecord{ID: id, Fenced: true})
	}
	for _, id := range s.draining {
		recs = append(recs, metadata.BrokerChangeRecord{ID: id, Draining: true})
	}
	for i := 0; i < len(s.config); i += 2 {
		recs = append(recs, metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: "t"}, Name: s.config[i], Value: &s.config[i+1]})
	}
	for i := 0; i < len(s.cluster); i += 2 {
		recs = append(recs, metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceBroker}, Name: s.cluster[i], Value: &s.cluster[i+1]})
	}
	w.apply(recs)
	return w
}

func epochOf(w *world, id int32) int64 {
	b, _ := w.img.Broker(id)
	return b.Epoch
}

// incarnation is broker id as it starts again.
func incarnation(id int32) metadata.Broker {
	b := testBrokers(5)[id-1]
	b.Incarnation[0] = 99
	return b
}

// TestElections has the rules of KIP-966 and of Kafka's PartitionChangeBuilder,
// one case each.
func TestElections(t *testing.T) {
	fenceIt := func(id int32) func(*world) error {
		return func(w *world) error { return run(w, command[brokerResult](fenceBroker{id: id})).err }
	}
	back := func(id int32) func(*world) error {
		return func(w *world) error {
			b, _ := w.img.Broker(id)
			return run(w, command[heartbeatResult](heartbeat{Heartbeat: Heartbeat{Broker: id, Epoch: b.Epoch, Offset: b.Epoch}})).err
		}
	}
	register := func(id int32, clean bool) func(*world) error {
		return func(w *world) error {
			return run(w, command[brokerResult](registerBroker{Broker: incarnation(id), Clean: clean})).err
		}
	}
	shutdown := func(id int32) func(*world) error {
		return func(w *world) error {
			return run(w, command[heartbeatResult](heartbeat{Heartbeat: Heartbeat{Broker: id, Epoch: epochOf(w, id), WantShutdown: true}, drained: -1})).err
		}
	}
	failed := func(id int32) func(*world) error {
		return func(w *world) error {
			return run(w, command[error](replicaFailed{id, []metadata.TopicPartition{{Topic: topicT}, {Topic: topicT}, {Topic: topicT, Partition: 9}, {Topic: metadata.UUID{1}}}}))
		}
	}
	set := func(of metadata.ResourceType, name, value string) func(*world) error {
		return func(w *world) error {
			r := metadata.Resource{Type: of}
			if of == metadata.ResourceTopic {
				r.Name = "t"
			}
			return run(w, command[[]ConfigResult](alterConfigs{alterations: []ConfigAlteration{{Resource: r, Ops: ops(name, value)}}}))[0].Err
		}
	}
	min2 := []string{"min.insync.replicas", "2"}
	uncleanOn := []string{"unclean.leader.election.enable", "true"}
	for _, c := range []struct {
		name string
		setup
		do    func(*world) error
		want  string
		cause metadata.Cause // of the change; not looked at if there is none
	}{
		{"a follower is fenced", setup{partition: "1@4 [1 2 3] isr[1 2 3]"}, fenceIt(2), "1@4 [1 2 3] isr[1 3]", metadata.CauseFenced},
		{"the leader is fenced: the next in replica order that is in sync", setup{partition: "1@4 [1 2 3] isr[3 1]"}, fenceIt(1), "3@5 [1 2 3] isr[3]", metadata.CauseFenced},
		{"replica order, not ISR order", setup{partition: "1@4 [1 2 3] isr[3 2 1]"}, fenceIt(1), "2@5 [1 2 3] isr[3 2]", metadata.CauseFenced},
		{"who is not in sync never leads", setup{partition: "1@4 [1 2 3] isr[1]"}, fenceIt(1), "-1@5 [1 2 3] isr[] elr[1] known[1]", metadata.CauseFenced},
		{"below min ISR who leaves stays eligible", setup{partition: "1@4 [1 2 3] isr[1 2]", config: min2}, fenceIt(2), "1@4 [1 2 3] isr[1] elr[2]", metadata.CauseFenced},
		{"the last one goes as well", setup{partition: "1@4 [1 2 3] isr[1] elr[2]", fenced: []int32{2}, config: min2}, fenceIt(1), "-1@5 [1 2 3] isr[] elr[1 2] known[1]", metadata.CauseFenced},
		{"an eligible one leads if nobody is in sync", setup{partition: "3@4 [1 2 3] isr[3] elr[2]", config: min2}, fenceIt(3), "2@5 [1 2 3] isr[2] elr[3]", metadata.CauseFenced},
		{"in sync before eligible", setup{partition: "3@4 [1 2 3] isr[3 2] elr[1]", cluster: []string{"min.insync.replicas", "3"}}, fenceIt(3), "2@5 [1 2 3] isr[2] elr[1 3]", metadata.CauseFenced},
		{"an eligible one comes back and leads", setup{partition: "-1@5 [1 2 3] isr[] elr[1 2] known[1]", fenced: []int32{1, 2}, config: min2}, back(2), "2@6 [1 2 3] isr[2] elr[1] known[1]", metadata.CauseUnfenced},
		{"the only one comes back", setup{partition: "-1@5 [2] isr[] elr[2] known[2]", fenced: []int32{2}}, back(2), "2@6 [2] isr[2]", metadata.CauseUnfenced},
		{"an ISR of the released format", setup{partition: "-1@5 [2] isr[2]", fenced: []int32{2}}, back(2), "2@6 [2] isr[2]", metadata.CauseUnfenced},
		{"the wrong one comes back", setup{partition: "-1@5 [1 2 3] isr[] elr[1] known[1]", fenced: []int32{1, 2}}, back(2), "-1@5 [1 2 3] isr[] elr[1] known[1]", 0},
		{"the last known leader, if nobody is eligible", setup{partition: "-1@5 [1 2 3] isr[] known[1]", fenced: []int32{1}}, back(1), "1@6 [1 2 3] isr[1]", metadata.CauseLastKnown},
		{"not the last known leader while somebody is eligible", setup{partition: "-1@5 [1 2 3] isr[] elr[2] known[1]", fenced: []int32{1, 2}}, back(1), "-1@5 [1 2 3] isr[] elr[2] known[1]", 0},
		{"unclean, where the topic allows it", setup{partition: "1@4 [1 2 3] isr[1]", fenced: []int32{2}, config: uncleanOn}, fenceIt(1), "3@5 [1 2 3] isr[3]", metadata.CauseUnclean},
		{"unclean, where all brokers allow it", setup{partition: "1@4 [1 2 3] isr[1]", cluster: uncleanOn}, fenceIt(1), "2@5 [1 2 3] isr[2]", metadata.CauseUnclean},
		{"unclean, but the topic forbids it", setup{partition: "1@4 [1 2 3] isr[1]", cluster: uncleanOn, config: []string{"unclean.leader.election.enable", "false"}}, fenceIt(1), "-1@5 [1 2 3] isr[] elr[1] known[1]", metadata.CauseFenced},
		{"clean before unclean", setup{partition: "1@4 [1 2 3] isr[1 3]", config: uncleanOn}, fenceIt(1), "3@5 [1 2 3] isr[3]", metadata.CauseFenced},
		{"unclean is allowed afterwards", setup{partition: "-1@5 [1 2 3] isr[] elr[1] known[1]", fenced: []int32{1}}, set(metadata.ResourceTopic, "unclean.leader.election.enable", "true"), "2@6 [1 2 3] isr[2]", metadata.CauseUnclean},
		{"unclean is allowed for all afterwards", setup{partition: "-1@5 [1 2 3] isr[] elr[1] known[1]", fenced: []int32{1}}, set(metadata.ResourceBroker, "unclean.leader.election.enable", "true"), "2@6 [1 2 3] isr[2]", metadata.CauseUnclean},
		{"a lower min ISR lets the high watermark move: nobody is eligible any more", setup{partition: "1@4 [1 2 3] isr[1] elr[2]", fenced: []int32{2}, config: min2}, set(metadata.ResourceTopic, "min.insync.replicas", "1"), "1@4 [1 2 3] isr[1]", metadata.CauseRequest},
		{"min ISR is not above the number of replicas", setup{partition: "1@4 [1 2] isr[1 2]", config: []string{"min.insync.replicas", "5"}}, fenceIt(2), "1@4 [1 2] isr[1] elr[2]", metadata.CauseFenced},
		{"controlled shutdown: leadership moves, and it leaves the ISR", setup{partition: "1@4 [1 2 3] isr[1 2 3]"}, shutdown(1), "2@5 [1 2 3] isr[2 3]", metadata.CauseShutdown},
		{"controlled shutdown of the only one", setup{partition: "1@4 [1] isr[1]"}, shutdown(1), "-1@5 [1] isr[] elr[1] known[1]", metadata.CauseShutdown},
		{"a draining broker does not lead", setup{partition: "1@4 [1 2 3] isr[1 2 3]", draining: []int32{2}}, fenceIt(1), "3@5 [1 2 3] isr[3]", metadata.CauseFenced},
		{"a clean start of one that was in sync", setup{partition: "1@4 [1 2 3] isr[1 2 3]"}, register(2, true), "1@4 [1 2 3] isr[1 3]", metadata.CauseRegistration},
		{"a clean start keeps it eligible", setup{partition: "1@4 [1 2 3] isr[1] elr[2]", fenced: []int32{2}, config: min2}, register(2, true), "1@4 [1 2 3] isr[1] elr[2]", 0},
		{"an unclean start does not", setup{partition: "1@4 [1 2 3] isr[1] elr[2]", fenced: []int32{2}, config: min2}, register(2, false), "1@4 [1 2 3] isr[1]", metadata.CauseUncleanRestart},
		{"an unclean start of a leader", setup{partition: "1@4 [1 2 3] isr[1 2]"}, register(1, false), "2@5 [1 2 3] isr[2]", metadata.CauseUncleanRestart},
		{"an unclean start of one of two eligible", setup{partition: "-1@5 [1 2 3] isr[] elr[1 2] known[1]", fenced: []int32{1, 2}, config: min2}, register(1, false), "-1@5 [1 2 3] isr[] elr[2] known[1]", metadata.CauseUncleanRestart},
		{"an unclean start of the only one that has it", setup{partition: "-1@5 [1 2 3] isr[] elr[1] known[1]", fenced: []int32{1}}, register(1, false), "-1@5 [1 2 3] isr[] elr[1] known[1]", 0},
		{"an unclean start of the only leader", setup{partition: "1@4 [1 2 3] isr[1]"}, register(1, false), "-1@5 [1 2 3] isr[] elr[1] known[1]", metadata.CauseUncleanRestart},
		{"a failed replica leaves, and is not eligible", setup{partition: "1@4 [1 2 3] isr[1 2]", config: min2}, failed(2), "1@4 [1 2 3] isr[1]", metadata.CauseReplicaFailed},
		{"a failed leader", setup{partition: "1@4 [1 2 3] isr[1 2]", config: min2}, failed(1), "2@5 [1 2 3] isr[2]", metadata.CauseReplicaFailed},
		{"a failed leader that alone is in sync stays", setup{partition: "1@4 [1 2 3] isr[1]"}, failed(1), "1@4 [1 2 3] isr[1]", 0},
		{"unless others may lead uncleanly", setup{partition: "1@4 [1 2 3] isr[1]", config: uncleanOn}, failed(1), "2@5 [1 2 3] isr[2]", metadata.CauseUnclean},
		{"a failed replica that is not in sync", setup{partition: "1@4 [1 2 3] isr[1 3]"}, failed(2), "1@4 [1 2 3] isr[1 3]", 0},
		{"unregistered", setup{partition: "1@4 [1 2 3] isr[1 2 3]"}, func(w *world) error { return run(w, command[error](unregisterBroker{1})) }, "2@5 [1 2 3] isr[2 3]", metadata.CauseGone},
		{"back, but its image is old", setup{partition: "-1@5 [2] isr[] elr[2] known[2]", fenced: []int32{2}}, func(w *world) error {
			b, _ := w.img.Broker(2)
			r := run(w, command[heartbeatResult](heartbeat{Heartbeat: Heartbeat{Broker: 2, Epoch: b.Epoch, Offset: b.Epoch - 1}}))
			if !r.Fenced || r.CaughtUp {
				return fmt.Errorf("%+v", r)
			}
			return r.err
		}, "-1@5 [2] isr[] elr[2] known[2]", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.world(t)
			was := w.img
			if err := c.do(w); err != nil {
				t.Fatal(err)
			}
			checkPartition(t, was, w, c.want, c.cause)
		})
	}
}

// checkPartition compares the partition with what it should be, and its epoch and cause
// with what it was.
func checkPartition(t *testing.T, was *metadata.Image, w *world, want string, cause metadata.Cause) {
	t.Helper()
	before, now := was.Topic("t").Partitions[0], w.img.Topic("t").Partitions[0]
	if got := shown(now); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if changed := shown(now) != shown(before); (now.PartitionEpoch > before.PartitionEpoch) != changed {
		t.Errorf("the partition epoch was %d and is %d", before.PartitionEpoch, now.PartitionEpoch)
	}
	for i := len(w.recs) - 1; i >= 0; i-- {
		if r, ok := w.recs[i].(metadata.PartitionChangeRecord); ok {
			if r.Cause != cause {
				t.Errorf("the cause is %q, want %q", r.Cause, cause)
			}
			return
		}
	}
}
