package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// world is a machine and an image to ask it with.
type world struct {
	t   *testing.T
	m   machine
	img *metadata.Image
	ids byte
	// recs are those of the last command.
	recs []metadata.Record
}

func newWorld(t *testing.T, brokers int32, replicas int, static map[string]string) *world {
	w := &world{t: t}
	w.m = machine{maxReplicas: replicas, newID: func() metadata.UUID { w.ids++; return metadata.UUID{15: w.ids} }}
	w.img = metadata.NewImage(static)
	recs, err := w.m.begin(w.img, Config{ID: 1, ClusterID: "c", Brokers: testBrokers(brokers)}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.apply(recs)
	return w
}

func (w *world) apply(recs []metadata.Record) {
	w.t.Helper()
	next, _, err := w.img.Apply(recs...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.img = next
}

// run carries out a command and applies its records.
func run[R any](w *world, cmd command[R]) R {
	w.t.Helper()
	recs, answer := cmd.run(&w.m, w.img, time.Unix(0, 0))
	w.apply(recs)
	w.recs = recs
	return answer
}

func (w *world) create(topics ...NewTopic) []TopicResult {
	w.t.Helper()
	return run(w, command[[]TopicResult](createTopics{topics: topics}))
}

// wants checks a refusal: "CODE words", or "" for success.
func wants(t *testing.T, what string, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		var k *kerr.Error
		if !errors.As(err, &k) {
			t.Errorf("%s: %v has no code", what, err)
			return
		}
		got = k.Message + " " + err.Error()
	}
	if got != want {
		t.Errorf("%s\n got %q\nwant %q", what, got, want)
	}
}

func manual(replicas ...[]int32) (out []Assignment) {
	for p, r := range replicas {
		out = append(out, Assignment{int32(p), r})
	}
	return out
}

func ops(kv ...string) (out []ConfigOp) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, ConfigOp{Op: Set, Name: kv[i], Value: &kv[i+1]})
	}
	return out
}

// TestCreateTopics_Refusals has the words of Apache Kafka 4.3.1 where it refuses the same.
func TestCreateTopics_Refusals(t *testing.T) {
	w := newWorld(t, 3, 1, map[string]string{"max.partitions": "10"})
	w.create(NewTopic{Name: "a.b", Partitions: 3, ReplicationFactor: 1})
	for _, c := range []struct {
		what  string
		topic NewTopic
		want  string
	}{
		{"exists", NewTopic{Name: "a.b", Partitions: 1, ReplicationFactor: 1}, "TOPIC_ALREADY_EXISTS Topic 'a.b' already exists."},
		{"collides", NewTopic{Name: "a_b", Partitions: 1, ReplicationFactor: 1}, "INVALID_TOPIC_EXCEPTION Topic 'a_b' collides with existing topic: a.b"},
		{"empty", NewTopic{Partitions: 1, ReplicationFactor: 1}, "INVALID_TOPIC_EXCEPTION Topic name is invalid: the empty string is not allowed"},
		{"metadata log", NewTopic{Name: "__cluster_metadata", Partitions: 1, ReplicationFactor: 1}, "INVALID_REQUEST Creation of internal topic __cluster_metadata is prohibited."},
		{"no partitions", NewTopic{Name: "t", Partitions: 0, ReplicationFactor: 1}, "INVALID_PARTITIONS Number of partitions was set to an invalid non-positive value."},
		{"-2 partitions", NewTopic{Name: "t", Partitions: -2, ReplicationFactor: 1}, "INVALID_PARTITIONS Number of partitions was set to an invalid non-positive value."},
		{"no replicas", NewTopic{Name: "t", Partitions: 1}, "INVALID_REPLICATION_FACTOR Replication factor must be larger than 0, or -1 to use the default value."},
		{"three replicas", NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 3}, "INVALID_REPLICATION_FACTOR Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 broker(s) are registered."},
		{"too many", NewTopic{Name: "t", Partitions: 8, ReplicationFactor: 1}, "POLICY_VIOLATION Excessively large number of partitions: 8 more than the 3 there are would exceed the limit of 10 (broker setting max.partitions)."},
		{"far too many", NewTopic{Name: "t", Partitions: 1<<31 - 1, ReplicationFactor: 1}, "POLICY_VIOLATION Excessively large number of partitions: 2147483647 more than the 3 there are would exceed the limit of 10 (broker setting max.partitions)."},
		{"bad setting", NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1, Configs: ops("foo", "x")}, "INVALID_CONFIG Unknown topic config name: foo"},
		{"null setting", NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1, Configs: []ConfigOp{{Name: "retention.ms"}}}, "INVALID_CONFIG Null value not supported for topic configs: retention.ms"},
		{"setting twice", NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1, Configs: ops("retention.ms", "1", "retention.ms", "2")}, "INVALID_REQUEST Error due to duplicate config keys"},
		{"manual and a number", NewTopic{Name: "t", Partitions: 2, ReplicationFactor: -1, Assignment: manual([]int32{1})}, "INVALID_REQUEST A manual partition assignment was specified, but numPartitions was not set to -1."},
		{"manual and a factor", NewTopic{Name: "t", Partitions: -1, ReplicationFactor: 1, Assignment: manual([]int32{1})}, "INVALID_REQUEST A manual partition assignment was specified, but replication factor was not set to -1."},
		{"a gap", NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: []Assignment{{1, []int32{1}}}}, "INVALID_REPLICA_ASSIGNMENT partitions should be a consecutive 0-based integer sequence"},
		{"a partition twice", NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: []Assignment{{0, []int32{1}}, {0, []int32{1}}}}, "INVALID_REPLICA_ASSIGNMENT Found multiple manual partition assignments for partition 0"},
		{"a replica twice", NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: manual([]int32{1, 1})}, "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes the broker 1 more than once."},
		{"unknown broker", NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: manual([]int32{7})}, "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 7, but no such broker is registered."},
		{"nowhere", NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: manual([]int32{})}, "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes an empty replica list."},
		{"uneven", NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: manual([]int32{1}, []int32{1, 2})}, "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with previous partitions, which have 1 replica(s)."},
	} {
		before := w.img
		r := w.create(c.topic)
		wants(t, c.what, r[0].Err, c.want)
		if w.img.Offset() != before.Offset() {
			t.Errorf("%s: records were made", c.what)
		}
	}
}

func TestCreateTopics_OneRequest(t *testing.T) {
	w := newWorld(t, 3, 1, nil)
	r := w.create(
		NewTopic{Name: "dup", Partitions: 1, ReplicationFactor: 1}, NewTopic{Name: "ok", Partitions: -1, ReplicationFactor: -1, Configs: ops("retention.ms", "1000")},
		NewTopic{Name: "dup", Partitions: 1, ReplicationFactor: 1}, NewTopic{Name: "q.w", Partitions: 2, ReplicationFactor: 1}, NewTopic{Name: "q_w", Partitions: 1, ReplicationFactor: 1},
	)
	wants(t, "dup", r[0].Err, "INVALID_REQUEST Duplicate topic name.")
	wants(t, "dup again", r[2].Err, "INVALID_REQUEST Duplicate topic name.")
	wants(t, "collides within", r[4].Err, "INVALID_TOPIC_EXCEPTION Topic 'q_w' collides with existing topic: q.w")
	if r[1].Err != nil || r[1].Partitions != 1 || r[1].ReplicationFactor != 1 || r[1].Config["retention.ms"] != "1000" || w.img.Topic("ok").ID != r[1].ID {
		t.Errorf("ok: %+v", r[1])
	}
	if w.img.TopicCount() != 2 || w.img.Topic("ok").Config["retention.ms"] != "1000" {
		t.Errorf("%d topics", w.img.TopicCount())
	}
	recs, res := createTopics{[]NewTopic{{Name: "v", Partitions: 2, ReplicationFactor: 1}}, true}.run(&w.m, w.img, time.Time{})
	if len(recs) != 0 || res[0].Err != nil || res[0].Partitions != 2 {
		t.Errorf("validate only: %d records, %+v", len(recs), res[0])
	}
}

func TestDeleteTopics(t *testing.T) {
	w := newWorld(t, 1, 1, nil)
	made := w.create(NewTopic{Name: "a", Partitions: 1, ReplicationFactor: 1}, NewTopic{Name: "b", Partitions: 1, ReplicationFactor: 1}, NewTopic{Name: "c", Partitions: 1, ReplicationFactor: 1})
	r := run(w, command[[]TopicResult](deleteTopics{[]TopicRef{
		{Name: "a"}, {Name: "nope"}, {ID: metadata.UUID{9}}, {ID: made[1].ID}, {}, {Name: "c"}, {Name: "c"}, {Name: "a", ID: made[0].ID},
	}}))
	for i, want := range []string{
		"", "UNKNOWN_TOPIC_OR_PARTITION This server does not host this topic-partition.", "UNKNOWN_TOPIC_ID This server does not host this topic ID.", "",
		"UNKNOWN_TOPIC_OR_PARTITION This server does not host this topic-partition.",
		"INVALID_REQUEST Duplicate topic name.", "INVALID_REQUEST Duplicate topic name.", "INVALID_REQUEST Can't specify both topic name and id.",
	} {
		wants(t, fmt.Sprint(i), r[i].Err, want)
	}
	if w.img.TopicCount() != 1 || r[3].Name != "b" || w.img.PartitionCount() != 1 {
		t.Errorf("%d topics, %+v", w.img.TopicCount(), r[3])
	}
	w = newWorld(t, 1, 1, map[string]string{"delete.topic.enable": "false"})
	w.create(NewTopic{Name: "a", Partitions: 1, ReplicationFactor: 1})
	r = run(w, command[[]TopicResult](deleteTopics{[]TopicRef{{Name: "a"}}}))
	wants(t, "disabled", r[0].Err, "TOPIC_DELETION_DISABLED Topic deletion is disabled by the broker setting delete.topic.enable.")
}

func TestCreatePartitions(t *testing.T) {
	w := newWorld(t, 2, 1, map[string]string{"max.partitions": "20"})
	w.create(NewTopic{Name: "t", Partitions: 3, ReplicationFactor: 1})
	for _, c := range []struct {
		ask  NewPartitions
		want string
	}{
		{NewPartitions{Topic: "t", Count: 2}, "INVALID_PARTITIONS The topic t currently has 3 partition(s); 2 would not be an increase."},
		{NewPartitions{Topic: "t", Count: 3}, "INVALID_PARTITIONS Topic already has 3 partition(s)."},
		{NewPartitions{Topic: "nope", Count: 3}, "UNKNOWN_TOPIC_OR_PARTITION Topic 'nope' does not exist."},
		{NewPartitions{Topic: "t", Count: 5, Assignment: [][]int32{{1}}}, "INVALID_REPLICA_ASSIGNMENT Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."},
		{NewPartitions{Topic: "t", Count: 4, Assignment: [][]int32{{9}}}, "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 9, but no such broker is registered."},
		{NewPartitions{Topic: "t", Count: 1 << 30}, "POLICY_VIOLATION Excessively large number of partitions: 1073741821 more than the 3 there are would exceed the limit of 20 (broker setting max.partitions)."},
		{NewPartitions{Topic: "t", Count: 5, Assignment: [][]int32{{2}, {2}}}, ""},
		{NewPartitions{Topic: "t", Count: 8}, ""},
	} {
		r := run(w, command[[]TopicResult](createPartitions{topics: []NewPartitions{c.ask}}))
		wants(t, fmt.Sprintf("%+v", c.ask), r[0].Err, c.want)
	}
	if topic := w.img.Topic("t"); len(topic.Partitions) != 8 || topic.Partitions[4].Leader != 2 {
		t.Errorf("%+v", topic.Partitions)
	}
}

func TestAlterConfigs(t *testing.T) {
	null := func(op OpType, name string) ConfigOp { return ConfigOp{Op: op, Name: name} }
	one := func(op OpType, name, value string) ConfigOp { return ConfigOp{Op: op, Name: name, Value: &value} }
	w := newWorld(t, 1, 1, nil)
	w.create(NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1})
	topic := metadata.Resource{Type: metadata.ResourceTopic, Name: "t"}
	broker := metadata.Resource{Type: metadata.ResourceBroker, Name: "1"}
	all := metadata.Resource{Type: metadata.ResourceBroker}
	for _, c := range []struct {
		of      metadata.Resource
		replace bool
		ops     []ConfigOp
		refused string
		want    map[string]string // of the topic afterwards; nil: not looked at
	}{
		{of: topic, ops: []ConfigOp{one(Set, "retention.ms", "1000")}, want: map[string]string{"retention.ms": "1000"}},
		{of: topic, ops: []ConfigOp{one(Append, "cleanup.policy", "compact")}, want: map[string]string{"retention.ms": "1000", "cleanup.policy": "delete,compact"}},
		{of: topic, ops: []ConfigOp{one(Append, "cleanup.policy", "compact")}, want: map[string]string{"retention.ms": "1000", "cleanup.policy": "delete,compact"}},
		{of: topic, ops: []ConfigOp{one(Subtract, "cleanup.policy", "delete"), null(Delete, "retention.ms")}, want: map[string]string{"cleanup.policy": "compact"}},
		{of: topic, ops: []ConfigOp{one(Subtract, "cleanup.policy", "nope")}, want: map[string]string{"cleanup.policy": "compact"}},
		{of: topic, ops: []ConfigOp{null(Delete, "foo")}, want: map[string]string{"cleanup.policy": "compact"}},
		{of: topic, ops: []ConfigOp{one(Append, "cleanup.policy", "nope")}, refused: "INVALID_CONFIG Invalid value nope for configuration cleanup.policy: String must be one of: compact, delete"},
		{of: topic, ops: []ConfigOp{one(Append, "retention.ms", "1")}, refused: "INVALID_CONFIG Can't APPEND to key retention.ms because its type is not LIST."},
		{of: topic, ops: []ConfigOp{one(Subtract, "retention.ms", "1")}, refused: "INVALID_CONFIG Can't SUBTRACT to key retention.ms because its type is not LIST."},
		{of: topic, ops: []ConfigOp{null(Set, "retention.ms")}, refused: "INVALID_REQUEST Null value not supported for : retention.ms"},
		{of: topic, ops: []ConfigOp{one(Set, "retention.ms", "1"), null(Delete, "retention.ms")}, refused: "INVALID_REQUEST Error due to duplicate config keys"},
		{of: topic, ops: []ConfigOp{one(9, "retention.ms", "1")}, refused: "INVALID_REQUEST Unknown operation 9 on config retention.ms"},
		{of: topic, ops: []ConfigOp{one(Set, "segment.ms", "1"), one(Set, "foo", "1")}, refused: "INVALID_CONFIG Unknown topic config name: foo", want: map[string]string{"cleanup.policy": "compact"}},
		{of: topic, replace: true, ops: []ConfigOp{one(Set, "segment.ms", "1000")}, want: map[string]string{"segment.ms": "1000"}},
		{of: topic, replace: true, want: map[string]string{}},
		{of: metadata.Resource{Type: metadata.ResourceTopic, Name: "nope"}, refused: "UNKNOWN_TOPIC_OR_PARTITION The topic 'nope' does not exist."},
		{of: metadata.Resource{Type: metadata.ResourceTopic}, refused: "INVALID_REQUEST Default topic resources are not allowed."},
		{of: metadata.Resource{Type: metadata.ResourceBroker, Name: "abc"}, refused: "INVALID_REQUEST Node id must be an integer, but it is: abc"},
		{of: metadata.Resource{Type: metadata.ResourceBroker, Name: "7"}, refused: "INVALID_REQUEST Broker 7 is not registered."},
		{of: broker, ops: []ConfigOp{one(Set, "num.partitions", "3")}, refused: "INVALID_REQUEST Cannot update these configs dynamically: [num.partitions]"},
		{of: broker, ops: []ConfigOp{one(Append, "log.cleanup.policy", "compact")}},
		{of: all, ops: []ConfigOp{one(Set, "log.retention.ms", "5")}},
		{of: metadata.Resource{Type: 32, Name: "g"}, refused: "INVALID_REQUEST Unknown resource type 32"},
	} {
		r := run(w, command[[]ConfigResult](alterConfigs{alterations: []ConfigAlteration{{Resource: c.of, Replace: c.replace, Ops: c.ops}}}))
		what := fmt.Sprintf("%v %v", c.of, c.ops)
		wants(t, what, r[0].Err, c.refused)
		if c.want != nil {
			got := w.img.Topic("t").Config
			if len(got)+len(c.want) > 0 && !cmp.Equal(got, c.want) {
				t.Errorf("%s left %v, want %v", what, got, c.want)
			}
		}
	}
	if w.img.BrokerConfig(1)["log.cleanup.policy"] != "delete,compact" || w.img.ClusterConfig()["log.retention.ms"] != "5" {
		t.Errorf("brokers: %v, %v", w.img.BrokerConfig(1), w.img.ClusterConfig())
	}
	twice := []ConfigAlteration{{Resource: topic}, {Resource: topic}}
	for _, r := range run(w, command[[]ConfigResult](alterConfigs{alterations: twice})) {
		wants(t, "twice", r.Err, "INVALID_REQUEST Each resource must appear at most once.")
	}
}

func TestBegin_FencesBrokersThatAreNotHereAnyMore(t *testing.T) {
	disk := vfs.NewMem()
	c := open(t, testConfig(disk, 3))
	create(t, c, "t", 3)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, testConfig(disk, 1))
	for _, p := range c.Image().Topic("t").Partitions {
		if (p.Leader == 1) != (p.Replicas[0] == 1) || p.Leader > 1 || p.LeaderEpoch == 0 {
			t.Errorf("%+v", p)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, testConfig(disk, 3))
	for _, p := range c.Image().Topic("t").Partitions {
		if p.Leader != p.Replicas[0] || p.LeaderEpoch < 2 {
			t.Errorf("%+v", p)
		}
	}
}

func TestEvents_TellEachChange(t *testing.T) {
	cfg := testConfig(vfs.NewMem(), 1)
	c := open(t, cfg)
	ctx := context.Background()
	create(t, c, "t", 2)
	c.CreatePartitions(ctx, []NewPartitions{{Topic: "t", Count: 5}}, false)
	c.AlterConfigs(ctx, []ConfigAlteration{{Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: "t"}, Ops: ops("segment.ms", "9", "retention.ms", "9")}}, false)
	if err := c.FenceBroker(ctx, 1); err != nil {
		t.Fatal(err)
	}
	back := cfg.Brokers[0]
	back.Incarnation = metadata.UUID{1}
	epoch, err := c.RegisterBroker(ctx, Registration{Broker: back, Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := c.Heartbeat(ctx, Heartbeat{Broker: 1, Epoch: epoch, Offset: epoch}); err != nil || r.Fenced {
		t.Fatalf("%+v, %v", r, err)
	}
	c.DeleteTopics(ctx, []TopicRef{{Name: "t"}})
	events, _ := cfg.Hub.Since(0, 100)
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e.Kind, " ", e.Topic, " ", e.Partition, " ", e.Broker, " ", e.A, " ", e.B, " ", e.Text))
	}
	want := []string{"controller.elected  -1 1 0 0 ", "broker.registered  -1 1 2 0 ", "broker.unfenced  -1 1 2 0 ",
		"topic.created t -1 -1 2 1 ", "partitions.added t -1 -1 2 5 ", "config.changed t -1 -1 0 0 retention.ms, segment.ms", "broker.fenced  -1 1 2 0 by request"}
	for p := range 5 {
		want = append(want, fmt.Sprintf("isr.shrunk t %d 1 0 0 broker 1 was fenced", p), fmt.Sprintf("leader.elected t %d -1 0 0 broker 1 was fenced", p))
	}
	want = append(want, fmt.Sprintf("broker.registered  -1 1 %d 0 ", epoch), fmt.Sprintf("broker.unfenced  -1 1 %d 0 ", epoch))
	for p := range 5 {
		want = append(want, fmt.Sprintf("isr.expanded t %d 1 1 0 broker is back", p), fmt.Sprintf("leader.elected t %d 1 0 0 broker is back", p))
	}
	want = append(want, "topic.deleted t -1 -1 0 0 ")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRequests_ThatWaitShareOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		c := open(t, testConfig(disk, 1))
		block, syncs := make(chan struct{}), 0
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Do: func(vfs.Op, string) {
			if syncs++; syncs == 1 {
				<-block
			}
		}})
		var wg sync.WaitGroup
		wg.Go(func() { create(t, c, "first", 1) })
		synctest.Wait() // the first is being synced
		for i := range 100 {
			wg.Go(func() { create(t, c, fmt.Sprint("t", i), 1) })
		}
		synctest.Wait() // all others are in the mailbox
		close(block)
		wg.Wait()
		if syncs != 2 {
			t.Errorf("101 requests took %d syncs", syncs)
		}
	})
}

func TestRequests_EndWithTheirContextAndTheController(t *testing.T) {
	c := open(t, testConfig(vfs.NewMem(), 1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := c.DeleteTopics(ctx, []TopicRef{{Name: "t"}})
	if !errors.Is(r[0].Err, kerr.RequestTimedOut) && !errors.Is(r[0].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("%v", r[0].Err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.FenceBroker(context.Background(), 1), kerr.NotController)
	told := false
	c.Watch(func(*metadata.Image, *metadata.Delta) { told = true })()
	if !told {
		t.Error("a watcher of a closed controller is not told the last image")
	}
}

func BenchmarkCreateTopic_One(b *testing.B) {
	disk, err := vfs.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	cfg := testConfig(disk, 3)
	cfg.StaticDefaults = map[string]string{"max.partitions": "100000000"}
	c := open(b, cfg)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		create(b, c, fmt.Sprint("topic-", i), 1)
	}
}
