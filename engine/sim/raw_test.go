package sim_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/sim"
	"github.com/logarium/logarium/engine/sim/check"
)

// patience is how long a raw client waits for one answer.
const patience = 5 * time.Second

// rawClient asks brokers one thing at a time and never asks again by itself,
// so that a test knows what was asked, when, and what came of it.
type rawClient struct {
	world *sim.World
	name  string
	conns map[int32]net.Conn
	form  *kmsg.RequestFormatter
	id    int32 // of the last request
}

func newRaw(w *sim.World, name string) *rawClient {
	return &rawClient{world: w, name: name, conns: map[int32]net.Conn{}, form: kmsg.NewRequestFormatter(kmsg.FormatterClientID(name))}
}

// close breaks all connections.
func (c *rawClient) close() {
	for id := range c.conns {
		c.hangUp(id)
	}
}

func (c *rawClient) hangUp(broker int32) {
	if conn := c.conns[broker]; conn != nil {
		_ = conn.Close() // nothing depends on how it ends
		delete(c.conns, broker)
	}
}

// versions are those that the raw client speaks: the newest that name topics by name.
var versions = map[int16]int16{0: 12, 1: 12, 2: 9, 3: 12, 8: 8, 9: 7, 10: 3, 19: 7, 20: 5, 21: 2, 32: 4, 37: 3, 43: 2, 44: 1, 45: 0}

// ask sends a request to a broker and waits for the answer. After an error the
// request may have been carried out, or be carried out yet.
func ask[R kmsg.Response](ctx context.Context, c *rawClient, broker int32, req kmsg.Request) (R, error) {
	var none R
	req.SetVersion(versions[req.Key()])
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := c.exchange(ctx, broker, req)
	if err != nil {
		c.hangUp(broker)
		return none, fmt.Errorf("%s to broker %d: %w", kmsg.NameForKey(req.Key()), broker, err)
	}
	return resp.(R), nil
}

func (c *rawClient) exchange(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	conn := c.conns[broker]
	if conn == nil {
		var err error
		if conn, err = c.world.Net.Host(c.name).Dial(ctx, sim.Address(broker)); err != nil {
			return nil, err
		}
		c.conns[broker] = conn
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // fails if it is closed, which is as good
	defer stop()
	c.id++
	if _, err := conn.Write(c.form.AppendRequest(nil, req, c.id)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, frame); err != nil {
		return nil, err
	}
	in := kbin.Reader{Src: frame}
	if id := in.Int32(); id != c.id {
		return nil, fmt.Errorf("the answer is to request %d, not %d", id, c.id)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() {
		kmsg.SkipTags(&in)
	}
	if err := resp.ReadFrom(in.Src); err != nil {
		return nil, err
	}
	return resp, nil
}

// place is who leads a partition, as a broker has told.
type place struct {
	leader   int32
	epoch    int32
	replicas []int32
	isr      []int32
}

// metadata asks one broker for all topics.
func (c *rawClient) metadata(ctx context.Context, broker int32) (map[check.Part]place, error) {
	req := kmsg.NewPtrMetadataRequest() // no topics: all
	resp, err := ask[*kmsg.MetadataResponse](ctx, c, broker, req)
	if err != nil {
		return nil, err
	}
	out := map[check.Part]place{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			out[check.Part{Topic: *t.Topic, Index: p.Partition}] = place{leader: p.Leader, epoch: p.LeaderEpoch, replicas: p.Replicas, isr: p.ISR}
		}
	}
	return out, nil
}

// place asks one broker after the other who leads a partition.
func (c *rawClient) place(ctx context.Context, brokers []int32, p check.Part) (place, error) {
	var last error
	for _, id := range brokers {
		all, err := c.metadata(ctx, id)
		if err != nil {
			last = err
			continue
		}
		at, ok := all[p]
		if !ok || at.leader < 0 {
			last = fmt.Errorf("broker %d knows no leader of %v", id, p)
			continue
		}
		return at, nil
	}
	return place{}, last
}

// append sends one record with acks=all, once.
func (c *rawClient) append(ctx context.Context, to int32, p check.Part, value string) (offset int64, err error) {
	b := batch.NewBuilder(batch.BuilderOptions{})
	b.Append(time.Now().UnixMilli(), nil, []byte(value), nil)
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, int32(patience.Milliseconds())
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = p.Topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = p.Index, b.Build()
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := ask[*kmsg.ProduceResponse](ctx, c, to, req)
	if err != nil {
		return -1, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return -1, errors.New("the answer is not about one partition")
	}
	answer := resp.Topics[0].Partitions[0]
	return answer.BaseOffset, kerr.ErrorForCode(answer.ErrorCode)
}

// fetch reads from an offset on, from a leader that must have the epoch.
func (c *rawClient) fetch(ctx context.Context, at place, p check.Part, from int64) (check.Read, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 100, 1, 1<<20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = p.Topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.CurrentLeaderEpoch, rp.PartitionMaxBytes = p.Index, from, at.epoch, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	out := check.Read{Part: p, Reader: c.name, From: from, Epoch: at.epoch}
	resp, err := ask[*kmsg.FetchResponse](ctx, c, at.leader, req)
	if err != nil {
		return out, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return out, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return out, errors.New("the answer is not about one partition")
	}
	answer := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return out, err
	}
	out.HighWatermark, out.LogStart = answer.HighWatermark, answer.LogStartOffset
	out.Records, err = records(answer.RecordBatches, from)
	return out, err
}

// records returns the records of whole batches at or above an offset.
func records(raw []byte, from int64) ([]check.Record, error) {
	var out []check.Record
	for b := range batch.Split(raw) {
		if !batch.CheckCRC(b) {
			return nil, fmt.Errorf("%w: a batch in a fetch response has another CRC", kerr.CorruptMessage)
		}
		h, err := batch.ParseHeader(b)
		if err != nil || h.IsControl() {
			continue
		}
		for r, err := range batch.Records(b, batch.Limits{Stored: true}) {
			if err != nil {
				return nil, err
			}
			if r.Offset >= from {
				out = append(out, check.Record{Offset: r.Offset, Value: string(r.Value)})
			}
		}
	}
	return out, nil
}

// The timestamps of ListOffsets that mean the ends of a log.
const (
	earliest = -2
	latest   = -1
)

// listOffset asks a leader that must have the epoch for an end of a partition.
func (c *rawClient) listOffset(ctx context.Context, at place, p check.Part, timestamp int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = p.Topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.Timestamp = p.Index, at.epoch, timestamp
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := ask[*kmsg.ListOffsetsResponse](ctx, c, at.leader, req)
	if err != nil {
		return -1, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return -1, errors.New("the answer is not about one partition")
	}
	answer := resp.Topics[0].Partitions[0]
	return answer.Offset, kerr.ErrorForCode(answer.ErrorCode)
}
