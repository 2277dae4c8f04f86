package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Record is one record as it was read.
type Record struct {
	Topic       string
	Partition   int32
	Offset      int64
	Timestamp   time.Time
	AppendTime  bool // the broker set the timestamp, not the producer
	LeaderEpoch int32
	Key, Value  []byte // nil: null
	Headers     []Header
	Codec       string // compression of its batch, "" if none
	ProducerID  int64  // −1: none
	Epoch       int16  // of the producer
	InTxn       bool   // written in a transaction
}

// Size returns the bytes of key, value and headers.
func (r *Record) Size() int64 {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return int64(n)
}

// Position is a place to read from.
type Position struct {
	Partition int32
	Offset    int64
}

// Fetched is what one partition gave.
type Fetched struct {
	Partition int32
	Records   []Record // may begin after the offset that was asked for
	Next      int64    // the offset to go on from; the asked one if there was nothing
	End       int64    // the high watermark
	Start     int64    // the log start offset
	Bytes     int64    // on the wire
	Err       error
}

// FetchLimits bound one reading.
type FetchLimits struct {
	PartitionBytes int32         // of each partition, though never less than one batch
	TotalBytes     int32         // of each broker's answer
	Wait           time.Duration // for records to come; 0: do not wait
}

// Fetch reads records of a topic from the leaders of its partitions, once.
func (c *Cluster) Fetch(ctx context.Context, t Topic, from []Position, lim FetchLimits) []Fetched {
	ctx, cancel := context.WithTimeout(ctx, deadline+lim.Wait)
	defer cancel()
	byLeader := make(map[int32][]Position)
	var out []Fetched
	for _, pos := range from {
		i, found := slices.BinarySearchFunc(t.Partitions, pos.Partition, func(p Partition, id int32) int { return int(p.ID - id) })
		switch {
		case !found:
			out = append(out, failedAt(pos, &Error{Text: "the partition is not there"}))
		case t.Partitions[i].Leader < 0:
			out = append(out, failedAt(pos, &Error{Text: "the partition has no leader"}))
		default:
			byLeader[t.Partitions[i].Leader] = append(byLeader[t.Partitions[i].Leader], pos)
		}
	}
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for leader, positions := range byLeader {
		wg.Go(func() {
			got := c.fetchFrom(ctx, leader, t, positions, lim)
			mu.Lock()
			defer mu.Unlock()
			out = append(out, got...)
		})
	}
	wg.Wait()
	return out
}

func failedAt(pos Position, err error) Fetched {
	return Fetched{Partition: pos.Partition, Next: pos.Offset, End: -1, Start: -1, Err: err}
}

func failedAll(from []Position, err error) []Fetched {
	out := make([]Fetched, 0, len(from))
	for _, pos := range from {
		out = append(out, failedAt(pos, err))
	}
	return out
}

func (c *Cluster) fetchFrom(ctx context.Context, leader int32, t Topic, from []Position, lim FetchLimits) []Fetched {
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = t.Name, t.ID
	asked := make(map[int32]Position, len(from))
	for _, pos := range from {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = pos.Partition, pos.Offset, lim.PartitionBytes
		rt.Partitions = append(rt.Partitions, rp)
		asked[pos.Partition] = pos
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes = lim.TotalBytes, 1
	req.MaxWaitMillis = int32(lim.Wait.Milliseconds())
	req.Topics = append(req.Topics, rt)
	kresp, err := c.client.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return failedAll(from, explain(err))
	}
	resp, ok := kresp.(*kmsg.FetchResponse)
	if !ok {
		return failedAll(from, errors.New("the broker answered another question"))
	}
	if err := refused(resp.ErrorCode, nil); err != nil {
		return failedAll(from, err)
	}
	var out []Fetched
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if pos, ok := asked[p.Partition]; ok {
				out = append(out, decode(t.Name, pos, p))
				delete(asked, p.Partition)
			}
		}
	}
	for _, pos := range asked { // left out of the answer: nothing was there for it
		out = append(out, Fetched{Partition: pos.Partition, Next: pos.Offset, End: -1, Start: -1})
	}
	return out
}

// decompressor bounds what a batch may unpack to; kgo keeps it below 100 MiB.
var decompressor = kgo.DefaultDecompressor()

// decode unpacks what a partition gave. Control records are not records of
// anybody; they only move the position on.
func decode(topic string, pos Position, p *kmsg.FetchResponseTopicPartition) Fetched {
	out := Fetched{
		Partition: p.Partition, Next: pos.Offset, End: p.HighWatermark, Start: p.LogStartOffset,
		Bytes: int64(len(p.RecordBatches)), Err: refused(p.ErrorCode, nil),
	}
	if out.Err != nil || len(p.RecordBatches) == 0 {
		return out
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: pos.Offset, Topic: topic, Partition: p.Partition,
	}, p, decompressor, nil)
	out.Next = max(out.Next, next)
	if fp.Err != nil && len(fp.Records) == 0 {
		out.Err = &Error{Text: "the batch cannot be read: " + fp.Err.Error(), err: fp.Err}
	}
	out.Records = make([]Record, 0, len(fp.Records))
	for _, r := range fp.Records {
		out.Records = append(out.Records, recordOf(r))
	}
	return out
}

func recordOf(r *kgo.Record) Record {
	out := Record{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp,
		AppendTime: r.Attrs.TimestampType() == 1, LeaderEpoch: r.LeaderEpoch,
		Key: r.Key, Value: r.Value, ProducerID: r.ProducerID, Epoch: r.ProducerEpoch, InTxn: r.Attrs.IsTransactional(),
	}
	if codec := int(r.Attrs.CompressionType()); codec > 0 && codec < len(codecs) {
		out.Codec = codecs[codec]
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, Header{Key: h.Key, Value: h.Value})
	}
	return out
}

// codecs are the names of compressions by their number in a batch.
var codecs = [...]string{"", "gzip", "snappy", "lz4", "zstd"}
