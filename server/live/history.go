package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// How far back the history reaches.
const (
	fineRows   = 600 // at 10 Hz, a minute
	secondRows = 600 // at 1 Hz, ten minutes
	gapAfter   = 3   // a span this many times the slow pace leaves a gap
)

// Row is one point of the graphs: what happened in a span. On the wire it is
// an array in the order of RowFields, with null where a number is missing.
type Row struct {
	Time                       int64 // end of the span, unix ms
	Span                       int64 // ms
	In, Out, BytesIn, BytesOut int64 // in the span; all -1: nobody looked (a gap)
	Lag                        int64 // over all groups, at the end of the span
	Latency                    [event.StageCount]Latency
}

// Latency is the distribution of one stage in a span, from merged counts.
type Latency struct {
	Count               int64 // 0: the rest is missing
	P50, P99, P999, Max int64 // µs
}

// RowFields names the columns of a Row on the wire.
var RowFields = []string{
	"time", "span", "in", "out", "bytesIn", "bytesOut", "lag",
	"produceN", "produce50", "produce99", "produce999", "produceMax",
	"commitN", "commit50", "commit99", "commit999", "commitMax",
	"deliverN", "deliver50", "deliver99", "deliver999", "deliverMax",
}

// Gap tells whether the row stands for a span in which nobody looked.
func (r *Row) Gap() bool { return r.In < 0 }

func (r *Row) append(b []byte) []byte {
	b = append(b, '[')
	b = strconv.AppendInt(b, r.Time, 10)
	num := func(v int64, missing bool) {
		b = append(b, ',')
		if missing {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, v, 10)
		}
	}
	num(r.Span, false)
	for _, v := range []int64{r.In, r.Out, r.BytesIn, r.BytesOut, r.Lag} {
		num(v, v < 0)
	}
	for i := range r.Latency {
		l := &r.Latency[i]
		num(l.Count, false)
		for _, v := range []int64{l.P50, l.P99, l.P999, l.Max} {
			num(v, l.Count == 0)
		}
	}
	return append(b, ']')
}

// MarshalJSON writes the row as an array in the order of RowFields.
func (r Row) MarshalJSON() ([]byte, error) { return r.append(nil), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Row) UnmarshalJSON(data []byte) error {
	var v []*int64
	if err := json.Unmarshal(bytes.TrimSpace(data), &v); err != nil {
		return err
	}
	if len(v) != len(RowFields) {
		return fmt.Errorf("%w: a row has %d columns, not %d", ErrBadFrame, len(v), len(RowFields))
	}
	at := func(i int, missing int64) int64 {
		if v[i] == nil {
			return missing
		}
		return *v[i]
	}
	*r = Row{at(0, 0), at(1, 0), at(2, -1), at(3, -1), at(4, -1), at(5, -1), at(6, -1), [event.StageCount]Latency{}}
	for s := range r.Latency {
		i := 7 + 5*s
		r.Latency[s] = Latency{at(i, 0), at(i+1, 0), at(i+2, 0), at(i+3, 0), at(i+4, 0)}
	}
	return nil
}

// History is what the graphs show at the first paint, oldest row first.
type History struct {
	Fields []string `json:"fields"`
	Fine   []Row    `json:"fine"`   // up to a minute at 10 Hz
	Second []Row    `json:"second"` // up to ten minutes at 1 Hz
}

// history keeps the rows. The zero value is empty and ready.
type history struct {
	fine, second ring
	now, seconds *reading // at the last row of each
}

// reading is the sums and counts at one moment.
type reading struct {
	at                         time.Time
	in, out, bytesIn, bytesOut int64
	counts                     [event.StageCount][]uint64
}

func read(w *world, at time.Time) *reading {
	r := &reading{at: at}
	for _, b := range w.brokers {
		r.in += b.in
		r.out += b.out
		r.bytesIn += b.bytesIn
		r.bytesOut += b.bytesOut
	}
	for s := range r.counts {
		r.counts[s] = make([]uint64, event.BucketCount)
		w.hub.Latency[s].Snapshot(r.counts[s])
	}
	return r
}

// add notes the world's numbers at now and returns the rows that this made:
// one for the span since the last call, and one for the second that has just
// passed, if one has.
func (h *history) add(w *world, now time.Time) (fine, second *Row) {
	r := read(w, now)
	if h.now == nil {
		h.now, h.seconds = r, r
		return nil, nil
	}
	lag := w.totalLag()
	fine = rowBetween(h.now, r, lag)
	h.fine.push(*fine, fineRows)
	h.now = r
	if r.at.Sub(h.seconds.at) >= slowTick-fastTick/2 {
		second = rowBetween(h.seconds, r, lag)
		h.second.push(*second, secondRows)
		h.seconds = r
	}
	return fine, second
}

func (w *world) totalLag() (sum int64) {
	for _, g := range w.lagList {
		sum += g.lag
	}
	return sum
}

func rowBetween(a, b *reading, lag int64) *Row {
	row := &Row{
		Time: b.at.UnixMilli(), Span: b.at.Sub(a.at).Milliseconds(),
		In: b.in - a.in, Out: b.out - a.out, BytesIn: b.bytesIn - a.bytesIn, BytesOut: b.bytesOut - a.bytesOut,
		Lag: lag,
	}
	if b.at.Sub(a.at) > gapAfter*slowTick { // the process stood still: what happened when is not known
		row.In, row.Out, row.BytesIn, row.BytesOut, row.Lag = -1, -1, -1, -1, -1
		return row
	}
	diff := make([]uint64, event.BucketCount)
	for s := range row.Latency {
		for i := range diff {
			diff[i] = b.counts[s][i] - a.counts[s][i]
		}
		row.Latency[s] = latencyOf(diff)
	}
	return row
}

func latencyOf(counts []uint64) (l Latency) {
	p50, n := event.Quantile(counts, 0.5)
	if n == 0 {
		return l
	}
	p99, _ := event.Quantile(counts, 0.99)
	p999, _ := event.Quantile(counts, 0.999)
	top, _ := event.Quantile(counts, 1)
	return Latency{int64(n), int64(p50), int64(p99), int64(p999), int64(top)}
}

// ring keeps the newest rows.
type ring struct {
	rows []Row
	next int // where the next one goes, once the ring is full
}

func (r *ring) push(row Row, size int) {
	if len(r.rows) < size {
		r.rows = append(r.rows, row)
		return
	}
	r.rows[r.next] = row
	r.next = (r.next + 1) % size
}

// all returns a copy, oldest first.
func (r *ring) all() []Row {
	out := make([]Row, 0, len(r.rows))
	out = append(out, r.rows[r.next:]...)
	return append(out, r.rows[:r.next]...)
}

// History returns the rows of the graphs.
func (l *Live) History() History {
	l.mu.Lock()
	defer l.mu.Unlock()
	return History{Fields: RowFields, Fine: l.hist.fine.all(), Second: l.hist.second.all()}
}
