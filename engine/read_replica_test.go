package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A consumer that says where it is reads from the replica there (KIP-392), and
// from the leader when that broker is gone.
func TestEngine_ConsumersReadInTheirRack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg := loopback(3)
	cfg.Racks = []string{"a", "b", "c"}
	cfg.Settings = map[string]string{"replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"}
	e := open(t, cfg)
	producer := client(t, e, kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	admin := kadm.NewClient(producer)
	if _, err := admin.CreateTopic(ctx, 1, 3, nil, "t"); err != nil {
		t.Fatal(err)
	}
	topics, err := admin.ListTopics(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	leader := topics["t"].Partitions[0].Leader
	near := leader%3 + 1
	const n = 500
	produce := func(from int) {
		for i := range n {
			if err := producer.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(from+i))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	consumer := client(t, e, kgo.ConsumeTopics("t"), kgo.Rack(cfg.Racks[near-1]), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.RecheckPreferredReplicaInterval(100*time.Millisecond))
	next := 0
	consume := func(upTo int) {
		for next < upTo {
			consumer.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if string(r.Value) != fmt.Sprint(next) {
					t.Errorf("record %q in place of %d", r.Value, next)
				}
				next++
			})
			if ctx.Err() != nil {
				t.Fatalf("%d of %d records were read", next, upTo)
			}
		}
	}
	// The consumer is sent on at its first fetch, and what comes later is read there.
	done := make(chan struct{})
	go func() {
		defer close(done)
		produce(0)
	}()
	consume(n)
	<-done
	out := map[int32]int64{}
	for _, p := range e.Events().Partitions() {
		if p.Topic == "t" {
			out[p.Broker] = p.RecordsOut.Load()
		}
	}
	if out[near] < n*9/10 || out[near]+out[leader] < n {
		t.Errorf("records read by broker: %v; the one in the client's rack is %d", out, near)
	}
	if err := e.Broker(near).Kill(); err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		produce(n)
	}()
	consume(2 * n)
	<-done
}
