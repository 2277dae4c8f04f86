package live

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// RecordView is a record as the lists of messages show it. Key and Value are
// decoded for people and cut to a preview.
type RecordView struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Time      int64  `json:"t"` // unix ms
	Key       string `json:"key"`
	NullKey   bool   `json:"nullKey,omitempty"`
	Value     string `json:"value"`
	NullValue bool   `json:"nullValue,omitempty"`
	Size      int    `json:"size"` // bytes of key and value
	Headers   int    `json:"headers,omitempty"`
	Skipped   int64  `json:"-"` // records passed over before it, to keep a pace that an eye can follow
}

// RecordBatch is what a record event carries. Hidden counts the records of
// the same span that are not in it.
type RecordBatch struct {
	Records []RecordView `json:"records"`
	Hidden  int64        `json:"hidden,omitempty"`
	Error   string       `json:"error,omitempty"`
}

// RecordSource reads records through the Kafka protocol.
type RecordSource interface {
	// ReadRecords returns up to limit records of a partition from offset on. It
	// does not wait for records to come.
	ReadRecords(ctx context.Context, topic string, partition int32, offset int64, limit int) ([]RecordView, error)
	// TailRecords calls fn with each new record of the topic until ctx ends or
	// reading fails.
	TailRecords(ctx context.Context, topic string, fn func(RecordView)) error
}

// The sample of the latest messages on the overview.
const (
	latestEvery      = 500 * time.Millisecond
	latestPartitions = 5 // looked at in one turn
	latestPerTurn    = 4 // records of one partition in one turn
	latestKept       = 40
)

func (s *Subscriber) offerRecords(b RecordBatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records.Records = append(s.records.Records, b.Records...)
	if over := len(s.records.Records) - maxQueuedRecords; over > 0 {
		s.records.Hidden += int64(over)
		s.records.Records = s.records.Records[over:]
	}
	s.records.Hidden += b.Hidden
	if b.Error != "" {
		s.records.Error = b.Error
	}
	s.ring()
}

// latest keeps the sample of the newest messages of all topics. One goroutine
// reads them for everybody who looks at the overview, so that the cost does
// not grow with the number of tabs.
type latest struct {
	turns chan struct{} // cap 1: held by whoever reads

	shown   map[*partition]int64 // next offset to show; guarded by turns
	cursor  int                  // guarded by turns
	readers map[*Subscriber]bool // guarded by Live.mu
	kept    []RecordView         // newest last; guarded by Live.mu
	join    chan struct{}        // cap 1: somebody began to look
}

func (r *latest) init() {
	r.turns = make(chan struct{}, 1)
	r.shown = make(map[*partition]int64)
	r.readers = make(map[*Subscriber]bool)
	r.join = make(chan struct{}, 1)
}

// watchLatest lets the reader have the sample of the newest messages of all
// topics, until stop is called.
func (l *Live) watchLatest(s *Subscriber) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest.readers[s] = true
	select {
	case l.latest.join <- struct{}{}:
	default:
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.latest.readers, s)
	}
}

// readLatest reads the sample while somebody looks.
func (l *Live) readLatest(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.latest.join:
		}
		tick := time.NewTicker(latestEvery)
		for l.latestWatched() {
			b := l.latestTurn(ctx)
			l.mu.Lock()
			for s := range l.latest.readers {
				if len(b.Records) > 0 || b.Hidden > 0 || b.Error != "" {
					s.offerRecords(b)
				}
			}
			l.mu.Unlock()
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
		tick.Stop()
	}
}

func (l *Live) latestWatched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.latest.readers) > 0
}

// LatestRecords returns the newest messages of all topics, newest first, for
// the first state of the page.
func (l *Live) LatestRecords(ctx context.Context) []RecordView {
	if !l.latestWatched() { // nobody keeps the sample fresh
		l.latestTurn(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]RecordView, 0, len(l.latest.kept))
	for i := len(l.latest.kept) - 1; i >= 0; i-- {
		out = append(out, l.latest.kept[i])
	}
	return out
}

// span is a range of offsets of one partition that has not been shown.
type span struct {
	p        *partition
	topic    string
	number   int32
	from, to int64
}

// latestTurn reads the newest records of a few partitions that moved.
func (l *Live) latestTurn(ctx context.Context) (b RecordBatch) {
	src := l.recordSource()
	if src == nil {
		return b
	}
	select {
	case l.latest.turns <- struct{}{}:
		defer func() { <-l.latest.turns }()
	case <-ctx.Done():
		return b
	}
	for _, s := range l.unshown() {
		first := max(s.from, s.to-latestPerTurn)
		records, err := src.ReadRecords(ctx, s.topic, s.number, first, latestPerTurn)
		if err != nil {
			if ctx.Err() == nil {
				b.Error = err.Error()
			}
			break
		}
		l.latest.shown[s.p] = s.to
		b.Hidden += max(0, s.to-s.from-int64(len(records)))
		b.Records = append(b.Records, records...)
	}
	slices.SortStableFunc(b.Records, func(x, y RecordView) int { return cmp.Compare(x.Time, y.Time) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest.kept = append(l.latest.kept, b.Records...)
	if over := len(l.latest.kept) - latestKept; over > 0 {
		l.latest.kept = slices.Clone(l.latest.kept[over:])
	}
	return b
}

// unshown returns the spans to read in this turn: partitions take turns. Of a
// partition that was never looked at, what was there before does not count as
// hidden.
func (l *Live) unshown() (spans []span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refreshLocked(time.Now())
	parts := l.world.partList
	live := make(map[*partition]bool, len(parts))
	for i := range parts {
		p := parts[(l.latest.cursor+i)%len(parts)]
		live[p] = true
		from, known := l.latest.shown[p]
		if p.topic.Internal || p.leader < 0 || p.hw <= from || p.hw == p.start || len(spans) == latestPartitions {
			continue
		}
		if !known {
			from = p.hw - latestPerTurn
		}
		spans = append(spans, span{p, p.topic.Name, p.number, max(from, p.start), p.hw})
	}
	if len(parts) > 0 {
		l.latest.cursor = (l.latest.cursor + latestPartitions) % len(parts)
	}
	for p := range l.latest.shown {
		if !live[p] {
			delete(l.latest.shown, p)
		}
	}
	return spans
}
