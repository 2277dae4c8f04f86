package controller

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// fiveThousand is 1,000 topics of five partitions with three replicas.
func fiveThousand() []NewTopic {
	topics := make([]NewTopic, 1000)
	for i := range topics {
		topics[i] = NewTopic{Name: fmt.Sprint("topic-", i), Partitions: 5, ReplicationFactor: 3}
	}
	return topics
}

// BenchmarkFence_ALeaderOfAThirdOf5000 computes, encodes and applies what the
// end of a broker leads to.
func BenchmarkFence_ALeaderOfAThirdOf5000(b *testing.B) {
	m := machine{maxReplicas: 3, newID: metadata.NewUUID}
	img := metadata.NewImage(map[string]string{"max.partitions": "100000"})
	recs, err := m.begin(img, Config{ID: 1, Brokers: testBrokers(3)}, 1, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, more := range [][]metadata.Record{recs, nil} {
		if more == nil {
			more, _ = createTopics{topics: fiveThousand()}.run(&m, img, time.Time{})
		}
		if img, _, err = img.Apply(more...); err != nil {
			b.Fatal(err)
		}
	}
	var out []byte
	changed := 0
	b.ReportAllocs()
	for b.Loop() {
		recs, _ := fenceBroker{id: 2}.run(&m, img, time.Time{})
		out = metadata.AppendRecords(out[:0], recs...)
		back, err := metadata.DecodeRecords(out)
		if err != nil {
			b.Fatal(err)
		}
		_, d, err := img.Apply(back...)
		if err != nil {
			b.Fatal(err)
		}
		changed = len(d.PartitionsChanged)
	}
	b.ReportMetric(float64(changed), "partitions")
	b.ReportMetric(float64(len(out)), "bytes")
}

// BenchmarkCreateTopics_ThousandByFive makes 5,000 partitions on one voter.
func BenchmarkCreateTopics_ThousandByFive(b *testing.B) {
	topics := fiveThousand()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		disk, err := vfs.OS(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		cfg := testConfig(disk, 3)
		cfg.MaxReplicationFactor = 3
		c := open(b, cfg)
		b.StartTimer()
		for _, r := range c.CreateTopics(context.Background(), topics, false) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
