package server

import (
	"context"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/server/live"
	"github.com/logarium/logarium/server/message"
)

// previewBytes is how much of a key or value the live lists look at.
const previewBytes = 1 << 10

// records lets the live picture read records as the pages do.
type records struct{ cluster *kafka.Cluster }

// ReadRecords returns up to limit records of a partition from offset on. It
// does not wait for records to come.
func (r records) ReadRecords(ctx context.Context, topic string, partition int32, offset int64, limit int) ([]live.RecordView, error) {
	t, _, err := r.cluster.Topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	var out []live.RecordView
	lim := kafka.FetchLimits{PartitionBytes: 256 << 10, TotalBytes: 256 << 10}
	for _, f := range r.cluster.Fetch(ctx, t, []kafka.Position{{Partition: partition, Offset: offset}}, lim) {
		if f.Err != nil {
			return nil, f.Err
		}
		for i := range f.Records[:min(limit, len(f.Records))] {
			out = append(out, recordView(&f.Records[i]))
		}
	}
	return out, nil
}

// TailRecords calls fn with each new record of the topic, as many as an eye can
// follow, until ctx ends or reading fails.
func (r records) TailRecords(ctx context.Context, topic string, fn func(live.RecordView)) error {
	return message.Tail(ctx, r.cluster, topic, func(t message.Tailed) error {
		view := recordView(&t.Record)
		view.Skipped = t.Dropped
		fn(view)
		return nil
	})
}

func recordView(r *kafka.Record) live.RecordView {
	return live.RecordView{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UnixMilli(),
		Key: preview(r.Key), NullKey: r.Key == nil, Value: preview(r.Value), NullValue: r.Value == nil,
		Size: len(r.Key) + len(r.Value), Headers: len(r.Headers),
	}
}

func preview(b []byte) string { return message.Decode(b, previewBytes).Preview }
