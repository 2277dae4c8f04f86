package broker

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/vfs"
)

// client opens a franz-go client of the node.
func (n *testNode) client(opts ...kgo.Opt) *kgo.Client {
	n.t.Helper()
	dial := func(ctx context.Context, _, address string) (net.Conn, error) { return n.network.Dial(ctx, address) }
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.address), kgo.Dialer(dial), kgo.ClientID("kgo-test")}, opts...)...)
	must(n.t, err)
	n.t.Cleanup(cl.Close)
	return cl
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// consume reads count records of a topic from its start.
func consume(t testing.TB, cl *kgo.Client, count int) []*kgo.Record {
	t.Helper()
	var out []*kgo.Record
	for len(out) < count {
		fetches := cl.PollFetches(timeout(t))
		for _, e := range fetches.Errors() {
			t.Fatalf("%s-%d: %v", e.Topic, e.Partition, e.Err)
		}
		out = append(out, fetches.Records()...)
	}
	return out
}

func TestKgo_ProducesAndConsumes(t *testing.T) {
	for _, codec := range []struct {
		name  string
		codec kgo.CompressionCodec
	}{
		{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()},
	} {
		t.Run(codec.name, func(t *testing.T) {
			n := startNode(t, nodeOptions{})
			n.createTopic("t", 3)
			const count = 2000
			cl := n.client(kgo.ProducerBatchCompression(codec.codec), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			for i := range count {
				cl.Produce(timeout(t), &kgo.Record{
					Partition: int32(i % 3), Key: fmt.Append(nil, "k", i), Value: fmt.Append(nil, "value ", i),
					Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{byte(i)}}}, Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)),
				}, func(_ *kgo.Record, err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
			must(t, cl.Flush(timeout(t)))
			next := map[int32]int{0: 0, 1: 1, 2: 2}
			for _, r := range consume(t, n.client(kgo.ConsumeTopics("t")), count) {
				i := next[r.Partition]
				next[r.Partition] += 3
				if string(r.Key) != fmt.Sprint("k", i) || string(r.Value) != fmt.Sprint("value ", i) || r.Offset != int64(i/3) ||
					r.Timestamp.UnixMilli() != 1_700_000_000_000+int64(i) || len(r.Headers) != 1 || r.Headers[0].Value[0] != byte(i) {
					t.Fatalf("record %d is %+v", i, r)
				}
			}
		})
	}
}

func TestKgo_MakesTopicsOnFirstUse(t *testing.T) {
	n := startNode(t, nodeOptions{})
	cl := n.client(kgo.AllowAutoTopicCreation())
	must(t, cl.ProduceSync(timeout(t), &kgo.Record{Topic: "made", Value: []byte("x")}).FirstErr())
	if n.controller.Image().Topic("made") == nil {
		t.Fatal("the topic is not there")
	}
	refused := n.client(kgo.UnknownTopicRetries(0))
	if err := refused.ProduceSync(timeout(t), &kgo.Record{Topic: "other", Value: []byte("x")}).FirstErr(); err == nil {
		t.Fatal("a topic was made for a client that does not allow it")
	}
}

func TestKgo_AllIsThereAfterARestart(t *testing.T) {
	for _, d := range []replica.Durability{replica.Group, replica.OS} {
		fs := vfs.NewMem()
		n := startNode(t, nodeOptions{fs: fs, durability: d})
		n.createTopic("t", 2)
		cl := n.client(kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for i := range 10 {
			must(t, cl.ProduceSync(timeout(t), &kgo.Record{Partition: int32(i % 2), Value: fmt.Append(nil, i)}).FirstErr())
		}
		cl.Close()
		n.close()
		again := startNode(t, nodeOptions{fs: fs, durability: d})
		got := consume(t, again.client(kgo.ConsumeTopics("t")), 10)
		if len(got) != 10 {
			t.Fatalf("%d records", len(got))
		}
		if lines := again.log.String(); lines != "" {
			t.Logf("log:\n%s", lines)
		}
	}
}

func TestKgo_DeletedTopicIsGone(t *testing.T) {
	fs := vfs.NewMem()
	n := startNode(t, nodeOptions{fs: fs})
	n.createTopic("t", 1)
	cl := n.client(kgo.DefaultProduceTopic("t"))
	must(t, cl.ProduceSync(timeout(t), &kgo.Record{Value: []byte("old")}).FirstErr())
	n.deleteTopic("t")
	if _, err := n.replicas.Partition("t", 0); err != kerr.UnknownTopicOrPartition {
		t.Fatalf("the replica is still there: %v", err)
	}
	n.createTopic("t", 1)
	cl2 := n.client(kgo.DefaultProduceTopic("t"))
	must(t, cl2.ProduceSync(timeout(t), &kgo.Record{Value: []byte("new")}).FirstErr())
	got := consume(t, n.client(kgo.ConsumeTopics("t")), 1)
	if string(got[0].Value) != "new" || got[0].Offset != 0 {
		t.Fatalf("got %q at %d", got[0].Value, got[0].Offset)
	}
}
