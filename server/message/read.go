package message

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/logarium/logarium/server/kafka"
)

// Source is where records come from; *kafka.Cluster is one.
type Source interface {
	Topic(ctx context.Context, name string) (kafka.Topic, kafka.Metadata, error)
	StartOffsets(ctx context.Context, topics ...kafka.Topic) kafka.Offsets
	EndOffsets(ctx context.Context, topics ...kafka.Topic) kafka.Offsets
	OffsetsAt(ctx context.Context, ms int64, topics ...kafka.Topic) kafka.Offsets
	Fetch(ctx context.Context, t kafka.Topic, from []kafka.Position, lim kafka.FetchLimits) []kafka.Fetched
}

// Read answers a query. Partitions are merged by timestamp, and every page goes
// on exactly where the one before it ended in each partition, so that turning
// pages neither skips nor repeats a record.
func Read(ctx context.Context, src Source, q Query, budget Budget) (Page, error) {
	began := time.Now()
	q.Limit = min(max(q.Limit, 1), MaxLimit)
	topic, _, err := src.Topic(ctx, q.Topic)
	if err != nil {
		return Page{}, err
	}
	r := &reading{ctx: ctx, src: src, topic: topic, limit: q.Limit, filter: filter(q.Filter), budget: budget, began: began}
	if err := r.open(q); err != nil {
		return Page{}, err
	}
	r.run()
	return r.page(q), nil
}

// reading is one Read under way.
type reading struct {
	ctx    context.Context
	src    Source
	topic  kafka.Topic
	limit  int
	filter filter
	budget Budget
	began  time.Time

	back    bool // from new to old
	lanes   []*lane
	records []kafka.Record
	scanned int64
	bytes   int64
	stop    Stop
}

// open finds out where each partition begins and ends, and where to start.
func (r *reading) open(q Query) error {
	t := r.topic
	if q.Partition != AllPartitions {
		i := slices.IndexFunc(t.Partitions, func(p kafka.Partition) bool { return p.ID == q.Partition })
		if i < 0 {
			return fmt.Errorf("partition %d of topic %q: %w", q.Partition, q.Topic, kafka.ErrUnknown)
		}
		t.Partitions = t.Partitions[i : i+1]
		r.topic = t
	}
	r.back = q.From == Newest
	var from cursor
	if q.Cursor != "" {
		var err error
		if from, err = parseCursor(q.Cursor); err != nil {
			return err
		}
		r.back = from.back
	}
	start, end := r.src.StartOffsets(r.ctx, t), r.src.EndOffsets(r.ctx, t)
	var at kafka.Offsets
	if q.Cursor == "" && q.From == AtTime {
		at = r.src.OffsetsAt(r.ctx, q.Time.UnixMilli(), t)
	}
	for _, p := range t.Partitions {
		key := kafka.TopicPartition{Topic: t.Name, Partition: p.ID}
		l := &lane{id: p.ID, start: start[key].Offset, end: end[key].Offset}
		for _, o := range []kafka.Offset{start[key], end[key], at[key]} {
			if o.Err != nil && l.err == nil {
				l.err = o.Err
			}
		}
		if l.err == nil {
			l.open(r.back, begin(q, from, l, at[key].Offset), r.window())
		}
		r.lanes = append(r.lanes, l)
	}
	return nil
}

// begin returns the offset at which a lane begins.
func begin(q Query, from cursor, l *lane, atTime int64) int64 {
	pos, ok := from.of(l.id)
	switch {
	case q.Cursor != "" && ok:
	case q.Cursor != "" && from.back, q.Cursor == "" && q.From == Newest:
		pos = l.end
	case q.Cursor == "" && q.From == AtOffset:
		pos = q.Offset
	case q.Cursor == "" && q.From == AtTime:
		if pos = atTime; pos < 0 {
			pos = l.end // all records are older
		}
	default:
		pos = l.start
	}
	return min(max(pos, l.start), max(l.start, l.end))
}

// window is how many offsets a lane takes in its first step back.
func (r *reading) window() int64 {
	n := int64(2*r.limit/len(r.topic.Partitions) + 2)
	if len(r.filter) > 0 {
		n = max(n, maxWindow/8)
	}
	return min(n, maxWindow)
}

// run merges the lanes until the page is full, they are empty or the budget is
// spent.
func (r *reading) run() {
	for {
		if hungry := r.hungry(); len(hungry) > 0 {
			if r.stop = r.overspent(); r.stop != "" {
				r.spend()
				return
			}
			r.feed(hungry)
			continue
		}
		l := r.head()
		if l == nil {
			r.stop = StopEnd
			return
		}
		if r.take(l) {
			r.stop = StopLimit
			return
		}
	}
}

// hungry returns the lanes that must be fed before the next record is known.
func (r *reading) hungry() []*lane {
	var out []*lane
	for _, l := range r.lanes {
		if l.hungry() {
			out = append(out, l)
		}
	}
	return out
}

func (r *reading) overspent() Stop {
	switch {
	case r.bytes >= r.budget.Bytes:
		return StopBytes
	case time.Since(r.began) >= r.budget.Time || r.ctx.Err() != nil:
		return StopTime
	}
	return ""
}

// spend uses up what was read already when the budget ended before any record
// was taken: the order between partitions is lost, but the next page begins
// further on and not at the same place again.
func (r *reading) spend() {
	if r.scanned > 0 {
		return
	}
	for l := r.head(); l != nil; l = r.head() {
		if r.take(l) {
			return
		}
	}
}

// head returns the lane whose next record comes first, nil if all are empty.
func (r *reading) head() *lane {
	var best *lane
	for _, l := range r.lanes {
		if len(l.buf) == 0 {
			continue
		}
		if best == nil || r.back && l.peek().Timestamp.After(best.peek().Timestamp) ||
			!r.back && l.peek().Timestamp.Before(best.peek().Timestamp) {
			best = l
		}
	}
	return best
}

// take moves one record to the page if it matches, and tells whether the page
// is full.
func (r *reading) take(l *lane) bool {
	record := l.take()
	r.scanned++
	if r.filter.match(&record) {
		r.records = append(r.records, record)
	}
	return len(r.records) >= r.limit
}

// feed reads more for the lanes, all of them at once.
func (r *reading) feed(lanes []*lane) {
	each := min(max(r.budget.Bytes/int64(4*len(lanes)), 16<<10), 1<<20)
	if len(r.filter) == 0 {
		each = min(each, 256<<10)
	}
	lim := kafka.FetchLimits{PartitionBytes: int32(each), TotalBytes: 16 << 20}
	byID := make(map[int32]*lane, len(lanes))
	from := make([]kafka.Position, 0, len(lanes))
	for _, l := range lanes {
		byID[l.id] = l
		from = append(from, kafka.Position{Partition: l.id, Offset: l.want()})
	}
	moved := false
	for _, got := range r.src.Fetch(r.ctx, r.topic, from, lim) {
		r.bytes += got.Bytes
		if l := byID[got.Partition]; l != nil && l.eat(got) {
			moved = true
		}
	}
	if moved {
		return
	}
	for _, l := range lanes {
		l.starve()
	}
}

// page puts the answer together.
func (r *reading) page(q Query) Page {
	p := Page{
		Records: r.records, Descending: q.From == Newest,
		Scanned: r.scanned, Bytes: r.bytes, Stop: r.stop, Took: time.Since(r.began),
	}
	if p.Descending != r.back {
		slices.Reverse(p.Records)
	}
	older, newer := cursor{back: true}, cursor{}
	var hasOlder, hasNewer bool
	for _, l := range r.lanes {
		s := l.span()
		p.Spans = append(p.Spans, s)
		if s.Problem != "" {
			p.Unreachable++
		}
		if l.err != nil && !l.opened {
			continue
		}
		older.at = append(older.at, kafka.Position{Partition: l.id, Offset: s.From})
		newer.at = append(newer.at, kafka.Position{Partition: l.id, Offset: s.Until})
		hasOlder = hasOlder || s.From > s.Start
		hasNewer = hasNewer || s.Until < s.End
	}
	if hasOlder {
		p.Older = older.String()
	}
	if hasNewer {
		p.Newer = newer.String()
	}
	return p
}
