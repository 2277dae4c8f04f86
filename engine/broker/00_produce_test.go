package broker

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
)

// records builds a batch of n records of which each has size bytes.
func records(o batch.BuilderOptions, n, size int) []byte {
	b := batch.NewBuilder(o)
	for range n {
		b.Append(time.Now().UnixMilli(), []byte("key"), make([]byte, size), nil)
	}
	return b.Build()
}

// produceRequest asks to append to one partition.
func produceRequest(version int16, t *metadata.Topic, partition int32, acks int16, b []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = version, acks
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, b
	topic := kmsg.NewProduceRequestTopic()
	topic.Partitions = []kmsg.ProduceRequestTopicPartition{p}
	if version >= 13 {
		topic.TopicID = t.ID
	} else {
		topic.Topic = t.Name
	}
	req.Topics = []kmsg.ProduceRequestTopic{topic}
	return req
}

func (r *raw) produce(req *kmsg.ProduceRequest) kmsg.ProduceResponseTopicPartition {
	r.t.Helper()
	return r.ask(req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

func TestProduce_AnswersByVersionAndAcks(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	next := int64(0)
	for version := int16(3); version <= 13; version++ {
		r := n.dial()
		for _, acks := range []int16{1, -1} {
			got := r.produce(produceRequest(version, topic, 0, acks, records(batch.BuilderOptions{}, 3, 10)))
			if got.ErrorCode != 0 || got.BaseOffset != next || got.LogAppendTime != -1 || (version >= 5 && got.LogStartOffset != 0) {
				t.Fatalf("version %d, acks %d: %+v", version, acks, got)
			}
			next += 3
		}
		r.send(produceRequest(version, topic, 0, 0, records(batch.BuilderOptions{}, 3, 10)))
		next += 3
		// The answer after the one that is none.
		if got := r.produce(produceRequest(version, topic, 0, 1, records(batch.BuilderOptions{}, 1, 10))); got.BaseOffset != next {
			t.Fatalf("version %d: offset %d after acks=0, want %d", version, got.BaseOffset, next)
		}
		next++
	}
	if got := n.hub.Link(event.LinkKey{Direction: event.Produce, ClientID: "raw", Topic: "t"}).Records.Load(); got != next {
		t.Fatalf("the link counts %d records of %d", got, next)
	}
}

func TestProduce_Refuses(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1, "max.message.bytes", "2000")
	compacted := n.createTopic("compacted", 1, "cleanup.policy", "compact")
	n.createTopic("__consumer_offsets", 1)
	good := func() []byte { return records(batch.BuilderOptions{}, 2, 10) }
	broken := func(change func(b []byte)) []byte {
		b := good()
		change(b)
		return b
	}
	keyless := batch.NewBuilder(batch.BuilderOptions{})
	keyless.Append(1, nil, []byte("x"), nil)
	missing := &metadata.Topic{Name: "missing", ID: metadata.NewUUID()}
	cases := map[string]struct {
		req  *kmsg.ProduceRequest
		want *kerr.Error
	}{
		"acks of 2":                 {produceRequest(9, topic, 0, 2, good()), kerr.InvalidRequiredAcks},
		"a missing topic":           {produceRequest(9, missing, 0, 1, good()), kerr.UnknownTopicOrPartition},
		"a missing topic id":        {produceRequest(13, missing, 0, 1, good()), kerr.UnknownTopicID},
		"a missing partition":       {produceRequest(9, topic, 1, 1, good()), kerr.UnknownTopicOrPartition},
		"a negative partition":      {produceRequest(9, topic, -1, 1, good()), kerr.UnknownTopicOrPartition},
		"no records":                {produceRequest(9, topic, 0, 1, nil), kerr.InvalidRecord},
		"empty records":             {produceRequest(9, topic, 0, 1, []byte{}), kerr.InvalidRecord},
		"two batches":               {produceRequest(9, topic, 0, 1, append(good(), good()...)), kerr.InvalidRecord},
		"a batch too large":         {produceRequest(9, topic, 0, 1, records(batch.BuilderOptions{}, 1, 3000)), kerr.MessageTooLarge},
		"a flipped bit":             {produceRequest(9, topic, 0, 1, broken(func(b []byte) { b[70] ^= 1 })), kerr.CorruptMessage},
		"a batch that is cut off":   {produceRequest(9, topic, 0, 1, good()[:80]), kerr.CorruptMessage},
		"message format 1":          {produceRequest(9, topic, 0, 1, broken(func(b []byte) { b[16] = 1 })), kerr.UnsupportedForMessageFormat},
		"a part of a transaction":   {produceRequest(9, topic, 0, 1, records(batch.BuilderOptions{Producer: true, ProducerID: 1, Transactional: true}, 1, 1)), kerr.InvalidRecord},
		"zstd before version 7":     {produceRequest(6, topic, 0, 1, records(batch.BuilderOptions{Codec: batch.Zstd}, 1, 1)), kerr.UnsupportedCompressionType},
		"no key in a compacted one": {produceRequest(9, compacted, 0, 1, keyless.Build()), kerr.InvalidRecord},
		"an internal topic":         {produceRequest(9, &metadata.Topic{Name: "__consumer_offsets"}, 0, 1, good()), kerr.InvalidTopicException},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := n.dial().produce(c.req)
			if got.ErrorCode != c.want.Code || got.BaseOffset != -1 {
				t.Fatalf("got %v at %d, want %v", kerr.ErrorForCode(got.ErrorCode), got.BaseOffset, c.want)
			}
			if c.req.Version >= 8 && (got.ErrorMessage == nil || *got.ErrorMessage == "") {
				t.Error("no words go with it")
			}
		})
	}
	if end := n.partition("t", 0).End(); end != 0 {
		t.Fatalf("something was written: the log ends at %d", end)
	}
	t.Run("acks of 0 closes the connection", func(t *testing.T) {
		r := n.dial()
		r.send(produceRequest(9, missing, 0, 0, good()))
		if !r.closedByPeer() || !strings.Contains(n.log.String(), "acks=0") {
			t.Fatal("the client cannot learn that it failed")
		}
	})
}

func TestProduce_ChecksSequences(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	r := n.dial()
	send := func(epoch int16, sequence int32) kmsg.ProduceResponseTopicPartition {
		b := records(batch.BuilderOptions{Producer: true, ProducerID: 77, Epoch: epoch, Sequence: sequence}, 2, 1)
		return r.produce(produceRequest(9, topic, 0, -1, b))
	}
	for _, c := range []struct {
		name     string
		epoch    int16
		sequence int32
		offset   int64
		want     *kerr.Error
	}{
		{"the first", 0, 0, 0, nil},
		{"the second", 0, 2, 2, nil},
		{"the first again", 0, 0, 0, nil},
		{"the second again", 0, 2, 2, nil},
		{"one left out", 0, 6, -1, kerr.OutOfOrderSequenceNumber},
		{"the third", 0, 4, 4, nil},
		{"a new epoch that starts in the middle", 1, 6, -1, kerr.OutOfOrderSequenceNumber},
		{"a new epoch", 1, 0, 6, nil},
		{"the old epoch", 0, 6, -1, kerr.InvalidProducerEpoch},
	} {
		got := send(c.epoch, c.sequence)
		if err := kerr.ErrorForCode(got.ErrorCode); (c.want == nil) != (err == nil) || c.want != nil && err != c.want || got.BaseOffset != c.offset {
			t.Fatalf("%s: %v at %d, want %v at %d", c.name, err, got.BaseOffset, c.want, c.offset)
		}
	}
	if got := n.hub.Partition(event.PartitionKey{Broker: 1, Topic: "t"}).RecordsIn.Load(); got != 8 {
		t.Fatalf("%d records counted, 8 are in the log", got)
	}
}

// Answers keep the order of the requests, whether they waited or not.
func TestProduce_IsPipelinedInOrder(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	r := n.dial()
	const count = 300 // above MaxInFlightPerConn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range count {
			var req kmsg.Request = produceRequest(9, topic, 0, []int16{-1, 1}[i%2], records(batch.BuilderOptions{}, 1, 1))
			if i%3 == 2 {
				req = kmsg.NewPtrApiVersionsRequest()
			}
			r.send(req)
		}
	}()
	offset := int64(0)
	for i := range count {
		if i%3 == 2 {
			r.receive(kmsg.NewPtrApiVersionsRequest(), int32(i+1))
			continue
		}
		req := produceRequest(9, topic, 0, 1, nil)
		got := r.receive(req, int32(i+1)).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if got.ErrorCode != 0 || got.BaseOffset != offset {
			t.Fatalf("answer %d: %+v, want offset %d", i, got, offset)
		}
		offset++
	}
	<-done
}

func TestProduce_LogAppendTime(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1, "message.timestamp.type", "LogAppendTime")
	before := time.Now().UnixMilli()
	got := n.dial().produce(produceRequest(9, topic, 0, -1, records(batch.BuilderOptions{}, 1, 1)))
	if got.ErrorCode != 0 || got.LogAppendTime < before {
		t.Fatalf("got %+v", got)
	}
}

// partition returns a replica of the node.
func (n *testNode) partition(topic string, index int32) interface {
	End() int64
	Start() int64
	HighWatermark() int64
} {
	n.t.Helper()
	p, err := n.replicas.Partition(topic, index)
	must(n.t, err)
	return p
}

// batchAt returns the base offset of the batch at the start of b.
func batchAt(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// TestProduce_ConvertsCompression has topics that want another codec than the
// client's (KIP-390).
func TestProduce_ConvertsCompression(t *testing.T) {
	n := startNode(t, nodeOptions{})
	for name, want := range map[string]batch.Codec{"uncompressed": batch.None, "gzip": batch.Gzip, "snappy": batch.Snappy, "lz4": batch.LZ4, "zstd": batch.Zstd, "producer": batch.Snappy} {
		topic := n.createTopic(name, 1, "compression.type", name, "max.message.bytes", "4000")
		r := n.dial()
		sent := records(batch.BuilderOptions{Codec: batch.Snappy, Producer: true, ProducerID: 8, Epoch: 1, Sequence: 0}, 3, 100)
		if got := r.produce(produceRequest(9, topic, 0, -1, sent)); got.ErrorCode != 0 {
			t.Fatalf("%s: %+v", name, got)
		}
		p, err := n.replicas.Partition(name, 0)
		must(t, err)
		stored, err := p.Read(nil, 0, 1<<20)
		must(t, err)
		h, err := batch.Validate(stored, batch.Limits{Stored: true})
		if err != nil || h.Codec() != want || h.ProducerID != 8 || h.NumRecords != 3 {
			t.Errorf("%s: stored %+v, %v", name, h, err)
		}
		// Sent again it is known, whatever the codec.
		if got := r.produce(produceRequest(9, topic, 0, -1, sent)); got.ErrorCode != 0 || got.BaseOffset != 0 {
			t.Errorf("%s: sent again: %+v", name, got)
		}
		if name == "uncompressed" {
			large := records(batch.BuilderOptions{Codec: batch.Snappy}, 1, 5000)
			if got := r.produce(produceRequest(9, topic, 0, -1, large)); got.ErrorCode != kerr.MessageTooLarge.Code {
				t.Errorf("too large when converted: %+v", got)
			}
		}
	}
}
