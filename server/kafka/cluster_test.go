package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// open starts a fake cluster of three brokers and connects to it.
func open(t *testing.T, opts ...kfake.Opt) *Cluster {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c, err := Open(Config{Seeds: fake.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCluster_TopicFromBirthToDeath(t *testing.T) {
	c, ctx := open(t), t.Context()
	err := c.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, ReplicationFactor: 1, Settings: map[string]string{"cleanup.policy": "compact"}})
	if err != nil {
		t.Fatal(err)
	}
	topic, m, err := c.Topic(ctx, "orders")
	if err != nil || len(topic.Partitions) != 3 || topic.ReplicationFactor() != 1 || topic.Leaderless() != 0 || len(m.Brokers) != 3 {
		t.Fatalf("topic %+v of %d brokers, %v", topic, len(m.Brokers), err)
	}
	if err := c.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, ReplicationFactor: 1}); err == nil || !strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS") {
		t.Errorf("made twice: %v", err)
	}
	if err := c.AddPartitions(ctx, "orders", 5); err != nil {
		t.Fatal(err)
	}
	if err := c.AddPartitions(ctx, "orders", 2); err == nil {
		t.Error("partitions went down")
	}
	if topic, _, err = c.Topic(ctx, "orders"); err != nil || len(topic.Partitions) != 5 {
		t.Fatalf("%d partitions, %v", len(topic.Partitions), err)
	}
	if in, all := topic.Replicas(); in != 5 || all != 5 {
		t.Errorf("%d of %d in sync", in, all)
	}
	settings, err := c.TopicSettings(ctx, "orders")
	if v, ok := settings.Get("cleanup.policy"); err != nil || !ok || v != "compact" {
		t.Errorf("cleanup.policy is %q, %v", v, err)
	}
	if err := c.DeleteTopic(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Topic(ctx, "orders"); !errors.Is(err, ErrUnknown) {
		t.Errorf("after its end: %v", err)
	}
	if err := c.DeleteTopic(ctx, "orders"); !errors.Is(err, ErrUnknown) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestCluster_Settings(t *testing.T) {
	c, ctx := open(t, kfake.SeedTopics(1, "a")), t.Context()
	if err := c.SetTopicSetting(ctx, "a", "retention.ms", "60000"); err != nil {
		t.Fatal(err)
	}
	get := func() Setting {
		s, err := c.TopicSettings(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(s, func(x Setting) bool { return x.Name == "retention.ms" })
		if i < 0 {
			t.Fatal("no retention.ms")
		}
		return s[i]
	}
	if s := get(); s.Value != "60000" || !s.Own || s.Source != "this topic" {
		t.Errorf("after the change: %+v", s)
	}
	if err := c.ResetTopicSetting(ctx, "a", "retention.ms"); err != nil {
		t.Fatal(err)
	}
	if s := get(); s.Own || s.Value == "60000" {
		t.Errorf("after the reset: %+v", s)
	}
	if _, err := c.BrokerSettings(ctx, 0); err != nil {
		t.Error(err)
	}
}

func TestCluster_ProduceAndFetch(t *testing.T) {
	c, ctx := open(t, kfake.SeedTopics(4, "a")), t.Context()
	headers := []Header{{"h", []byte("1")}, {"h", nil}}
	p, err := c.Produce(ctx, NewRecord{Topic: "a", Partition: -1, Key: []byte("key"), Value: []byte{}, Headers: headers})
	if err != nil {
		t.Fatal(err)
	}
	if want := PartitionFor([]byte("key"), 4); p.Partition != want || p.Offset != 0 {
		t.Fatalf("written to %d@%d, want %d@0", p.Partition, p.Offset, want)
	}
	if _, err := c.Produce(ctx, NewRecord{Topic: "a", Partition: 3}); err != nil {
		t.Fatal(err)
	}
	topic, _, err := c.Topic(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	got := c.Fetch(ctx, topic, []Position{{p.Partition, 0}, {9, 0}}, FetchLimits{PartitionBytes: 1 << 20, TotalBytes: 1 << 20})
	for _, f := range got {
		if f.Partition == 9 {
			if f.Err == nil {
				t.Error("a partition that is not there gave no error")
			}
			continue
		}
		if f.Err != nil || len(f.Records) == 0 || f.Next != int64(len(f.Records)) || f.End != f.Next {
			t.Fatalf("fetched %+v", f)
		}
		r := f.Records[0]
		if string(r.Key) != "key" || r.Value == nil || len(r.Value) != 0 || len(r.Headers) != 2 || r.Headers[1].Value != nil {
			t.Errorf("read %+v", r)
		}
	}
	end := c.EndOffsets(ctx, topic)
	if f := Messages(topic, c.StartOffsets(ctx, topic), end); !f.Known() || f.N != 2 {
		t.Errorf("messages: %+v", f)
	}
	if at := c.OffsetsAt(ctx, time.Now().Add(time.Hour).UnixMilli(), topic)[TopicPartition{"a", 0}]; at.Err != nil || at.Offset != -1 {
		t.Errorf("the future begins at %+v", at)
	}
	if _, err := c.Produce(ctx, NewRecord{Topic: "nope"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("to a topic that is not there: %v", err)
	}
}

func TestCluster_Groups(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(2, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	c, err := Open(Config{Seeds: fake.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	for range 3 {
		if _, err := c.Produce(ctx, NewRecord{Topic: "a", Partition: 1, Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	const id = "a/group <b>"
	consumer, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.ConsumerGroup(id), kgo.ConsumeTopics("a"),
		kgo.ClientID("reader"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	fetched := consumer.PollRecords(ctx, 1)
	if err := consumer.CommitRecords(ctx, fetched.Records()...); err != nil {
		t.Fatal(err)
	}
	g, err := c.Group(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if g.State != "Stable" || len(g.Members) != 1 || g.Members[0].ClientID != "reader" || len(g.Members[0].Assigned) != 2 {
		t.Errorf("group %+v", g)
	}
	if lag := g.Lag("a"); !lag.Known() || lag.N != 2 {
		t.Errorf("lag %+v", lag)
	}
	if len(g.Partitions) != 2 || !g.Partitions[0].Lag().Known() || g.Uncommitted("") != 0 || g.Partitions[1].Member == nil {
		t.Errorf("partitions %+v", g.Partitions)
	}
	groups, err := c.TopicGroups(ctx, "a")
	if err != nil || len(groups) != 1 || groups[0].ID != id {
		t.Errorf("groups of the topic: %v, %v", groups, err)
	}
	if err := c.DeleteGroup(ctx, id); err == nil || !strings.Contains(err.Error(), "NON_EMPTY_GROUP") {
		t.Errorf("a group with a member was deleted: %v", err)
	}
	consumer.Close()
	if err := c.DeleteGroup(ctx, id); err != nil {
		t.Errorf("an empty group: %v", err)
	}
	if _, err := c.Group(ctx, id); !errors.Is(err, ErrUnknown) {
		t.Errorf("after its end: %v", err)
	}
}

func TestCluster_NobodyThere(t *testing.T) {
	c, err := Open(Config{Seeds: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var told *Error
	if _, err := c.Metadata(ctx); !errors.As(err, &told) || told.Text == "" {
		t.Errorf("metadata: %v", err)
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("opened without an address")
	}
}

func TestMurmur2_AsJava(t *testing.T) {
	// From Kafka's own UtilsTest.testMurmur2.
	for in, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107, "": 275646681,
	} {
		if got := int32(Murmur2([]byte(in))); got != want {
			t.Errorf("Murmur2(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestPartitionFor_AsFranzGo(t *testing.T) {
	p := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	for _, key := range []string{"", "a", "user-17", "ключ", strings.Repeat("x", 1000)} {
		for _, n := range []int32{1, 3, 12, 100} {
			want := p.Partition(&kgo.Record{Key: []byte(key)}, int(n))
			if got := PartitionFor([]byte(key), n); int(got) != want {
				t.Errorf("%q of %d: %d, want %d", key, n, got, want)
			}
		}
	}
	if got := PartitionFor(nil, 1); got != 0 {
		t.Errorf("no key, one partition: %d", got)
	}
}
