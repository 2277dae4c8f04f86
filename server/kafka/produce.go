package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Header is one header of a record; keys may repeat.
type Header struct {
	Key   string
	Value []byte // nil: null
}

// NewRecord is a record to produce. A nil key or value is Kafka's null, which
// is not the same as an empty one.
type NewRecord struct {
	Topic     string
	Partition int32 // −1: as the default partitioner says
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Produced is where a record ended up.
type Produced struct {
	Partition int32
	Offset    int64
	Timestamp time.Time
}

// Produce writes one record and waits until it is committed. Each record gets a
// connection of its own: a topic may have been deleted and made anew since the
// one before, which a lasting producer learns of by failing.
func (c *Cluster) Produce(ctx context.Context, r NewRecord) (Produced, error) {
	ctx, cancel := context.WithTimeout(ctx, changeDeadline)
	defer cancel()
	topic, _, err := c.Topic(ctx, r.Topic)
	if err != nil {
		return Produced{}, err
	}
	if len(topic.Partitions) == 0 {
		return Produced{}, &Error{Text: "the topic has no partitions yet"}
	}
	record := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
	if r.Partition < 0 {
		record.Partition = PartitionFor(r.Key, int32(len(topic.Partitions)))
	}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	client, err := kgo.NewClient(append(c.opts, kgo.DisableIdempotentWrite(), kgo.RecordRetries(5))...)
	if err != nil {
		return Produced{}, explain(err)
	}
	defer client.Close()
	done, err := client.ProduceSync(ctx, record).First()
	if err != nil {
		if errors.Is(err, kgo.ErrRecordTimeout) || errors.Is(err, context.DeadlineExceeded) {
			return Produced{}, &Error{Text: "the record was not acknowledged in time; it may have been written all the same", err: err}
		}
		return Produced{}, explain(err)
	}
	return Produced{Partition: done.Partition, Offset: done.Offset, Timestamp: done.Timestamp}, nil
}
