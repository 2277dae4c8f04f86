package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// Frame holds what the counters of a view grew by between two moments. Frames
// of a view add up: Merge of two that follow each other is the frame over both
// spans. All lists are ascending by id.
type Frame struct {
	No         uint64 // number of the newest frame in it
	Time       int64  // end of the span, unix ms
	Window     int64  // length of the span, ms
	Brokers    []BrokerDelta
	Partitions []PartitionDelta
	Replicas   []ReplicaDelta // of followers
	Links      []LinkDelta
	Lags       []LagDelta
	Fine       []Row // rows of the 10 Hz history in the span
	Second     []Row // rows of the 1 Hz history in the span

	once sync.Once
	data []byte
}

// BrokerDelta is what one broker did. Connections and SizeBytes are gauges.
type BrokerDelta struct {
	ID                         int
	In, Out, BytesIn, BytesOut int64
	Connections, SizeBytes     int64
}

// PartitionDelta is what one partition did; offsets are differences too.
type PartitionDelta struct {
	ID                      int
	In, Out, HW, End, Start int64
}

// ReplicaDelta is what one follower did: records appended from the leader, and
// by how much its log end moved.
type ReplicaDelta struct {
	ID           int
	Records, End int64
}

// LinkDelta is how many records flowed over one link.
type LinkDelta struct {
	ID      int
	Records int64
}

// LagDelta is how far a group's committed offset moved in one partition, and
// the lag at the end of the span (a gauge).
type LagDelta struct {
	ID        int
	Committed int64
	Lag       int64
}

// Merge returns the frame over the spans of f and of later, which follows it.
func (f *Frame) Merge(later *Frame) *Frame {
	return &Frame{
		No: later.No, Time: later.Time, Window: f.Window + later.Window,
		Brokers: mergeDeltas(f.Brokers, later.Brokers, func(d BrokerDelta) int { return d.ID }, func(a, b BrokerDelta) BrokerDelta {
			b.In, b.Out, b.BytesIn, b.BytesOut = a.In+b.In, a.Out+b.Out, a.BytesIn+b.BytesIn, a.BytesOut+b.BytesOut
			return b
		}),
		Partitions: mergeDeltas(f.Partitions, later.Partitions, func(d PartitionDelta) int { return d.ID }, func(a, b PartitionDelta) PartitionDelta {
			return PartitionDelta{a.ID, a.In + b.In, a.Out + b.Out, a.HW + b.HW, a.End + b.End, a.Start + b.Start}
		}),
		Replicas: mergeDeltas(f.Replicas, later.Replicas, func(d ReplicaDelta) int { return d.ID }, func(a, b ReplicaDelta) ReplicaDelta {
			return ReplicaDelta{a.ID, a.Records + b.Records, a.End + b.End}
		}),
		Links: mergeDeltas(f.Links, later.Links, func(d LinkDelta) int { return d.ID }, func(a, b LinkDelta) LinkDelta {
			return LinkDelta{a.ID, a.Records + b.Records}
		}),
		Lags: mergeDeltas(f.Lags, later.Lags, func(d LagDelta) int { return d.ID }, func(a, b LagDelta) LagDelta {
			return LagDelta{a.ID, a.Committed + b.Committed, b.Lag}
		}),
		Fine:   slices.Concat(f.Fine, later.Fine),
		Second: slices.Concat(f.Second, later.Second),
	}
}

// mergeDeltas merges two lists that are ascending by id.
func mergeDeltas[T any](a, b []T, id func(T) int, add func(a, b T) T) []T {
	if len(a) == 0 {
		return b
	}
	out := make([]T, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch x, y := id(a[0]), id(b[0]); {
		case x < y:
			out, a = append(out, a[0]), a[1:]
		case x > y:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, add(a[0], b[0])), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// Bytes returns the frame as it goes over the wire: JSON whose lists are flat
// arrays of whole numbers, the ids as gaps to the one before. It is encoded
// once, however many readers there are; do not change the frame after.
func (f *Frame) Bytes() []byte {
	f.once.Do(func() { f.data = f.encode() })
	return f.data
}

func (f *Frame) encode() []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"n":`...)
	b = strconv.AppendUint(b, f.No, 10)
	b = append(b, `,"t":`...)
	b = strconv.AppendInt(b, f.Time, 10)
	b = append(b, `,"w":`...)
	b = strconv.AppendInt(b, f.Window, 10)
	b = appendList(b, "b", f.Brokers, func(d BrokerDelta) (int, []int64) {
		return d.ID, []int64{d.In, d.Out, d.BytesIn, d.BytesOut, d.Connections, d.SizeBytes}
	})
	b = appendList(b, "p", f.Partitions, func(d PartitionDelta) (int, []int64) {
		return d.ID, []int64{d.In, d.Out, d.HW, d.End, d.Start}
	})
	b = appendList(b, "r", f.Replicas, func(d ReplicaDelta) (int, []int64) { return d.ID, []int64{d.Records, d.End - d.Records} }) // mostly 0, and short
	b = appendList(b, "l", f.Links, func(d LinkDelta) (int, []int64) { return d.ID, []int64{d.Records} })
	b = appendList(b, "g", f.Lags, func(d LagDelta) (int, []int64) { return d.ID, []int64{d.Committed, d.Lag} })
	b = appendRows(b, "h", f.Fine)
	b = appendRows(b, "s", f.Second)
	return append(b, '}')
}

func appendList[T any](b []byte, name string, list []T, fields func(T) (int, []int64)) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":[`...)
	last := 0
	for i, d := range list {
		if i > 0 {
			b = append(b, ',')
		}
		id, vs := fields(d)
		b = strconv.AppendInt(b, int64(id-last), 10)
		last = id
		for _, v := range vs {
			b = append(b, ',')
			b = strconv.AppendInt(b, v, 10)
		}
	}
	return append(b, ']')
}

func appendRows(b []byte, name string, rows []Row) []byte {
	if len(rows) == 0 {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":[`...)
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = rows[i].append(b)
	}
	return append(b, ']')
}

// ErrBadFrame is what DecodeFrame returns for bytes that are no frame.
var ErrBadFrame = errors.New("not a frame")

// DecodeFrame reads what Bytes wrote. It is the mirror of decode.js.
func DecodeFrame(data []byte) (*Frame, error) {
	var raw struct {
		N    uint64  `json:"n"`
		T    int64   `json:"t"`
		W    int64   `json:"w"`
		B    []int64 `json:"b"`
		P    []int64 `json:"p"`
		R    []int64 `json:"r"`
		L    []int64 `json:"l"`
		G    []int64 `json:"g"`
		H, S []Row
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	f := &Frame{No: raw.N, Time: raw.T, Window: raw.W, Fine: raw.H, Second: raw.S}
	var err error
	f.Brokers, err = readList(raw.B, 6, func(id int, v []int64) BrokerDelta {
		return BrokerDelta{id, v[0], v[1], v[2], v[3], v[4], v[5]}
	}, err)
	f.Partitions, err = readList(raw.P, 5, func(id int, v []int64) PartitionDelta {
		return PartitionDelta{id, v[0], v[1], v[2], v[3], v[4]}
	}, err)
	f.Replicas, err = readList(raw.R, 2, func(id int, v []int64) ReplicaDelta { return ReplicaDelta{id, v[0], v[0] + v[1]} }, err)
	f.Links, err = readList(raw.L, 1, func(id int, v []int64) LinkDelta { return LinkDelta{id, v[0]} }, err)
	f.Lags, err = readList(raw.G, 2, func(id int, v []int64) LagDelta { return LagDelta{id, v[0], v[1]} }, err)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// readList reads a flat list whose entries are a gap and n values. Ids must
// grow.
func readList[T any](flat []int64, n int, mk func(id int, v []int64) T, prior error) ([]T, error) {
	if prior != nil {
		return nil, prior
	}
	if len(flat)%(n+1) != 0 {
		return nil, fmt.Errorf("%w: a list of %d numbers has no whole entries of %d", ErrBadFrame, len(flat), n+1)
	}
	var out []T
	id := int64(0)
	for ; len(flat) > 0; flat = flat[n+1:] {
		id += flat[0]
		if flat[0] <= 0 || id > 1<<31 {
			return nil, fmt.Errorf("%w: ids do not grow", ErrBadFrame)
		}
		out = append(out, mk(int(id), flat[1:n+1]))
	}
	return out, nil
}
