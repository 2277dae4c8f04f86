package message

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/logarium/logarium/server/kafka"
)

// shelf is a Source in memory. It gives what a broker gives: whole batches, at
// least one of them, and positions that move over offsets without a record.
type shelf struct {
	parts map[int32]*stack
	batch int // offsets in a batch
}

type stack struct {
	start, end int64
	records    []kafka.Record // sorted by offset, with gaps
}

func (s *shelf) Topic(context.Context, string) (kafka.Topic, kafka.Metadata, error) {
	t := kafka.Topic{Name: "t"}
	for id := range int32(len(s.parts)) {
		t.Partitions = append(t.Partitions, kafka.Partition{ID: id, Leader: 1})
	}
	return t, kafka.Metadata{}, nil
}

func (s *shelf) offsets(t []kafka.Topic, of func(*stack) int64) kafka.Offsets {
	out := make(kafka.Offsets)
	for _, p := range t[0].Partitions {
		out[kafka.TopicPartition{Topic: "t", Partition: p.ID}] = kafka.Offset{Offset: of(s.parts[p.ID])}
	}
	return out
}

func (s *shelf) StartOffsets(_ context.Context, t ...kafka.Topic) kafka.Offsets {
	return s.offsets(t, func(p *stack) int64 { return p.start })
}

func (s *shelf) EndOffsets(_ context.Context, t ...kafka.Topic) kafka.Offsets {
	return s.offsets(t, func(p *stack) int64 { return p.end })
}

func (s *shelf) OffsetsAt(_ context.Context, ms int64, t ...kafka.Topic) kafka.Offsets {
	return s.offsets(t, func(p *stack) int64 {
		for _, r := range p.records {
			if r.Timestamp.UnixMilli() >= ms {
				return r.Offset
			}
		}
		return -1
	})
}

func (s *shelf) Fetch(_ context.Context, _ kafka.Topic, from []kafka.Position, lim kafka.FetchLimits) []kafka.Fetched {
	var out []kafka.Fetched
	left := int64(lim.TotalBytes)
	for _, pos := range from {
		p := s.parts[pos.Partition]
		f := kafka.Fetched{Partition: pos.Partition, Next: pos.Offset, Start: p.start, End: p.end}
		if pos.Offset < p.start || pos.Offset > p.end {
			f.Err = errors.New("offset out of range")
		}
		for f.Err == nil && f.Next < p.end && left > 0 && (f.Bytes == 0 || f.Bytes < int64(lim.PartitionBytes)) {
			until := min(p.end, f.Next-f.Next%int64(s.batch)+int64(s.batch))
			for _, r := range p.records {
				if r.Offset >= f.Next && r.Offset < until {
					f.Records = append(f.Records, r)
					f.Bytes += r.Size() + 10
				}
			}
			f.Next = until
			f.Bytes += 61
		}
		left -= f.Bytes
		out = append(out, f)
	}
	return out
}

func drawShelf(t *rapid.T) *shelf {
	s := &shelf{parts: make(map[int32]*stack), batch: rapid.IntRange(1, 7).Draw(t, "batch")}
	for id := range int32(rapid.IntRange(1, 4).Draw(t, "partitions")) {
		p := &stack{start: rapid.Int64Range(0, 5).Draw(t, "start")}
		p.end = p.start + rapid.Int64Range(0, 40).Draw(t, "length")
		ms := int64(1000)
		for o := p.start; o < p.end; o++ {
			ms += rapid.Int64Range(-2, 5).Draw(t, "step")
			if rapid.IntRange(0, 4).Draw(t, "gap") == 0 {
				continue
			}
			value := fmt.Sprintf("%d/%d", id, o)
			if rapid.Bool().Draw(t, "marked") {
				value += " needle"
			}
			p.records = append(p.records, kafka.Record{
				Topic: "t", Partition: id, Offset: o, Timestamp: time.UnixMilli(ms), Value: []byte(value),
			})
		}
		s.parts[id] = p
	}
	return s
}

// all returns the offsets of every partition that a filter lets through.
func (s *shelf) all(f filter) map[int32][]int64 {
	out := make(map[int32][]int64)
	for id, p := range s.parts {
		for _, r := range p.records {
			if f.match(&r) {
				out[id] = append(out[id], r.Offset)
			}
		}
	}
	return out
}

func TestRead_TurningPagesNeitherSkipsNorRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShelf(t)
		q := Query{Topic: "t", Partition: AllPartitions, Limit: rapid.IntRange(1, 9).Draw(t, "limit")}
		q.From = rapid.SampledFrom([]From{Newest, Oldest}).Draw(t, "from")
		if rapid.Bool().Draw(t, "filtered") {
			q.Filter = "needle"
		}
		budget := Budget{Bytes: rapid.Int64Range(1, 4000).Draw(t, "budget"), Time: time.Minute}
		got := make(map[int32][]int64)
		for turn := 0; ; turn++ {
			if turn > 1000 {
				t.Fatal("the pages never end")
			}
			p, err := Read(t.Context(), s, q, budget)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Records {
				got[r.Partition] = append(got[r.Partition], r.Offset)
			}
			if q.Cursor = p.Newer; q.From == Newest {
				q.Cursor = p.Older
			}
			if q.Cursor == "" {
				break
			}
		}
		want := s.all(filter(q.Filter))
		for id := range s.parts {
			if q.From == Newest {
				slices.Reverse(got[id])
			}
			if !slices.Equal(got[id], want[id]) {
				t.Fatalf("partition %d: got %v, want %v", id, got[id], want[id])
			}
		}
	})
}

func TestRead_BackIsWhereOneCameFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShelf(t)
		q := Query{Topic: "t", Partition: AllPartitions, Limit: rapid.IntRange(1, 9).Draw(t, "limit"), From: Newest}
		budget := Budget{Bytes: 1 << 20, Time: time.Minute}
		first, err := Read(t.Context(), s, q, budget)
		if err != nil || first.Older == "" {
			return
		}
		q.Cursor = first.Older
		second, err := Read(t.Context(), s, q, budget)
		if err != nil {
			t.Fatal(err)
		}
		if !second.Descending || second.Newer == "" {
			t.Fatalf("no way back from %+v", second.Spans)
		}
		q.Cursor = second.Newer
		again, err := Read(t.Context(), s, q, budget)
		if err != nil {
			t.Fatal(err)
		}
		for i, span := range again.Spans {
			if span.From != second.Spans[i].Until {
				t.Fatalf("partition %d: the page back begins at %d, the one before ended at %d", i, span.From, second.Spans[i].Until)
			}
		}
	})
}

func TestRead_Beginnings(t *testing.T) {
	p := &stack{end: 10}
	for o := range int64(10) {
		p.records = append(p.records, kafka.Record{Offset: o, Timestamp: time.UnixMilli(1000 + 10*o), Value: []byte{byte('a' + o)}})
	}
	s := &shelf{parts: map[int32]*stack{0: p}, batch: 3}
	for _, c := range []struct {
		name string
		q    Query
		want string
		stop Stop
	}{
		{"newest", Query{From: Newest, Limit: 3}, "jih", StopLimit},
		{"oldest", Query{From: Oldest, Limit: 3}, "abc", StopLimit},
		{"offset", Query{From: AtOffset, Offset: 7, Limit: 9}, "hij", StopEnd},
		{"offset beyond", Query{From: AtOffset, Offset: 99, Limit: 9}, "", StopEnd},
		{"time", Query{From: AtTime, Time: time.UnixMilli(1045), Limit: 2}, "fg", StopLimit},
		{"time beyond", Query{From: AtTime, Time: time.UnixMilli(9999), Limit: 2}, "", StopEnd},
		{"filter", Query{From: Oldest, Filter: "d", Limit: 2}, "d", StopEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			page, err := Read(t.Context(), s, c.q, DefaultBudget)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, r := range page.Records {
				got += string(r.Value)
			}
			if got != c.want || page.Stop != c.stop {
				t.Errorf("got %q, stopped by %q; want %q, %q", got, page.Stop, c.want, c.stop)
			}
		})
	}
	if _, err := Read(t.Context(), s, Query{Partition: 7}, DefaultBudget); !errors.Is(err, kafka.ErrUnknown) {
		t.Errorf("a partition that is not there: %v", err)
	}
	if _, err := Read(t.Context(), s, Query{Cursor: "!!"}, DefaultBudget); !errors.Is(err, errCursor) {
		t.Errorf("a broken cursor: %v", err)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(cursor{back: true, at: []kafka.Position{{Partition: 0, Offset: 3}, {Partition: 7, Offset: 1 << 40}}}.String())
	f.Add("")
	f.Add("Zg")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCursor(s)
		if err != nil {
			return
		}
		back, err := parseCursor(c.String())
		if err != nil || back.back != c.back || !slices.Equal(back.at, c.at) {
			t.Fatalf("%q: %+v became %+v, %v", s, c, back, err)
		}
	})
}
