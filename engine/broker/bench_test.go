package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/vfs"
)

// benchNode is a broker on the real disk.
func benchNode(b *testing.B, d replica.Durability) *testNode {
	b.Helper()
	disk, err := vfs.OS(b.TempDir())
	must(b, err)
	return startNode(b, nodeOptions{fs: disk, durability: d})
}

// discard reads answers and throws them away.
func (r *raw) discard(count int, buf []byte) {
	for range count {
		_, err := io.ReadFull(r.nc, buf[:4])
		must(r.t, err)
		size := int(binary.BigEndian.Uint32(buf))
		_, err = io.ReadFull(r.nc, buf[:size])
		must(r.t, err)
	}
}

// BenchmarkProduce sends ready-made batches with acks=all, five requests in
// flight, so that what is measured is the broker alone.
func BenchmarkProduce(b *testing.B) {
	for _, c := range []struct {
		name        string
		count, size int
		partitions  int32
		durability  replica.Durability
	}{
		{"records=10000x100B", 10_000, 100, 1, replica.Group},
		{"records=1000x1KiB", 1000, 1024, 1, replica.Group},
		{"records=1000x1KiB/os", 1000, 1024, 1, replica.OS},
		{"records=100x100B", 100, 100, 6, replica.Group},
		{"records=1x1KiB", 1, 1024, 1, replica.Group},
		{"records=1x1KiB/os", 1, 1024, 1, replica.OS},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := benchNode(b, c.durability)
			topic := n.createTopic("t", c.partitions, "retention.bytes", "1", "segment.bytes", "67108864")
			r := n.dial()
			req := produceRequest(13, topic, 0, -1, records(batch.BuilderOptions{}, c.count, c.size))
			for p := int32(1); p < c.partitions; p++ {
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, produceRequest(13, topic, p, -1, records(batch.BuilderOptions{}, c.count, c.size)).Topics[0].Partitions...)
			}
			frame := r.fmt.AppendRequest(nil, req, 1)
			buf := make([]byte, 64*kib)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			flying := 0
			for b.Loop() {
				if flying == 5 {
					r.discard(1, buf)
					flying--
				}
				_, err := r.nc.Write(frame)
				must(b, err)
				flying++
			}
			r.discard(flying, buf)
			b.ReportMetric(float64(b.N)*float64(c.count)*float64(c.partitions)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkFetch reads a log again and again, as a consumer that catches up.
func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprintf("records=%dB", size), func(b *testing.B) {
			n := benchNode(b, replica.OS)
			topic := n.createTopic("t", 1)
			r := n.dial()
			perBatch := 1_000_000 / size / 10
			one := records(batch.BuilderOptions{}, perBatch, size)
			for range 64 {
				r.produce(produceRequest(13, topic, 0, -1, one))
			}
			end := n.partition("t", 0).End()
			buf := make([]byte, 4*mib)
			var offset, got int64
			b.ReportAllocs()
			for b.Loop() {
				req := fetchRequest(13, want{topic: topic, offset: offset})
				id := r.send(req)
				_, err := io.ReadFull(r.nc, buf[:4])
				must(b, err)
				n := int(binary.BigEndian.Uint32(buf))
				_, err = io.ReadFull(r.nc, buf[:n])
				must(b, err)
				if int32(binary.BigEndian.Uint32(buf)) != id {
					b.Fatal("not the answer")
				}
				batches := int64(n / len(one))
				got += batches * int64(perBatch)
				if offset += batches * int64(perBatch); offset >= end {
					offset = 0
				}
			}
			b.SetBytes(got * int64(size) / int64(b.N))
			b.ReportMetric(float64(got)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkEndToEnd is the time from a Produce to the Fetch that carries it.
func BenchmarkEndToEnd(b *testing.B) {
	for _, d := range []replica.Durability{replica.Group, replica.OS} {
		b.Run(map[replica.Durability]string{replica.Group: "group", replica.OS: "os"}[d], func(b *testing.B) {
			n := benchNode(b, d)
			topic := n.createTopic("t", 1)
			in, out := n.dial(), n.dial()
			one := records(batch.BuilderOptions{}, 1, 1024)
			offset := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				req := fetchRequest(13, want{topic: topic, offset: offset})
				req.MaxWaitMillis = 5000
				id := out.send(req)
				in.produce(produceRequest(13, topic, 0, -1, one))
				resp := out.receive(req, id).(*kmsg.FetchResponse)
				if len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
					b.Fatal("nothing came")
				}
				offset++
			}
		})
	}
}

// BenchmarkKgo is the whole way with franz-go on both ends.
func BenchmarkKgo(b *testing.B) {
	for _, c := range []struct {
		size       int
		durability replica.Durability
	}{{100, replica.Group}, {100, replica.OS}, {1024, replica.Group}} {
		b.Run(fmt.Sprintf("records=%dB/%v", c.size, c.durability), func(b *testing.B) {
			n := benchNode(b, c.durability)
			n.createTopic("t", 6)
			cl := n.client(kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond))
			value := make([]byte, c.size)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				cl.Produce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
					if err != nil {
						b.Error(err)
					}
				})
			}
			must(b, cl.Flush(context.Background()))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkIdleConnections reports the memory of connections that do nothing.
func BenchmarkIdleConnections(b *testing.B) {
	n := startNode(b, nodeOptions{})
	before := heap()
	const count = 1000
	for range count {
		n.dial().ask(kmsg.NewPtrApiVersionsRequest())
	}
	for b.Loop() { //nolint:revive // there is nothing to repeat
	}
	b.ReportMetric(float64(heap()-before)/count, "B/conn")
}

// heap returns the bytes of live objects and stacks.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
