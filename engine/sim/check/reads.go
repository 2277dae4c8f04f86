package check

import (
	"slices"
	"sort"
)

// Read is the answer to a fetch by somebody who knew the leader epoch.
type Read struct {
	Part    Part
	Reader  string
	From    int64 // the offset that was asked for
	Records []Record
	// Epoch is the leader epoch that the broker confirmed; -1: it was not told.
	Epoch         int32
	HighWatermark int64 // -1: a new leader does not know it yet
	LogStart      int64
}

// Read takes an answer to a fetch that was asked at a call.
func (l *Ledger) Read(call Call, r Read) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.tick()
	next := r.From
	for _, rec := range r.Records {
		l.stands(r.Part, rec, now, r.Reader)
		if rec.Offset < next || rec.Offset > next && !l.policies[r.Part.Topic].Compacted && next >= r.LogStart {
			l.broken(Gap, "%s: %s asked for offset %d and got %d where %d was due", r.Part, r.Reader, r.From, rec.Offset, next)
		}
		next = rec.Offset + 1
	}
	if r.HighWatermark >= 0 {
		if len(r.Records) > 0 && r.HighWatermark < next {
			l.broken(WatermarkBack, "%s: %s got records up to offset %d with the high watermark %d", r.Part, r.Reader, next-1, r.HighWatermark)
		}
		l.watermark(call, now, r.Part, r.Epoch, r.HighWatermark, "a fetch of "+r.Reader, true)
	}
	l.logStart(r.Part, r.LogStart, r.Reader)
}

// Bounds takes an answer to ListOffsets: the first offset and the one after
// the last that can be read, at a leader epoch; -1 for what was not asked.
func (l *Ledger) Bounds(call Call, p Part, epoch int32, start, end int64, who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.tick()
	if end >= 0 {
		l.watermark(call, now, p, epoch, end, "ListOffsets of "+who, false)
	}
	if start >= 0 {
		l.logStart(p, start, who)
	}
}

// Poll takes the next records of a consumer, which reads without a break.
func (l *Ledger) Poll(consumer string, p Part, records []Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.tick()
	key := sourceKey{consumer, p}
	for _, r := range records {
		l.stands(p, r, now, consumer)
		due, polled := l.polls[key]
		if polled && (r.Offset < due || r.Offset > due && l.keepsAll(p, r.Offset)) {
			l.broken(PollSkip, "%s: %s polled offset %d where %d was due", p, consumer, r.Offset, due)
		}
		l.polls[key] = r.Offset + 1
	}
}

// Seek says that a consumer's next poll of a partition may be anywhere, as
// after a rebalance.
func (l *Ledger) Seek(consumer string, p Part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.polls, sourceKey{consumer, p})
}

// keepsAll says whether all offsets up to one must be there.
func (l *Ledger) keepsAll(p Part, upTo int64) bool {
	policy := l.policies[p.Topic]
	return !policy.Compacted && policy.Retention == 0 && l.part(p).asked < upTo
}

// OutOfRange takes the answer OFFSET_OUT_OF_RANGE to a fetch, from the leader
// of an epoch.
func (l *Ledger) OutOfRange(call Call, p Part, from int64, epoch int32, who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick()
	if !l.keepsAll(p, from+1) {
		return
	}
	for e, seen := range l.part(p).marks {
		before := sort.Search(len(seen), func(i int) bool { return seen[i].at >= int64(call) })
		if e <= epoch && before > 0 && seen[before-1].hw >= from {
			m := seen[before-1]
			l.broken(ReadLost, "%s: offset %d is out of range to %s at epoch %d, and %s saw the end at %d at epoch %d", p, from, who, epoch, m.who, m.hw, e)
			return
		}
	}
}

// mark is a high watermark that was seen.
type mark struct {
	at  int64 // when the answer was there
	hw  int64
	who string
}

// watermark takes a high watermark. It must not be below one that was seen
// before it was asked for, at the same leader epoch or an earlier one. Only at
// the same one if it came with a fetch: a new leader serves what it knows to be
// committed before it knows the newest, and only ListOffsets waits (KIP-207).
func (l *Ledger) watermark(call Call, now int64, p Part, epoch int32, hw int64, who string, fetched bool) {
	marks := l.part(p).marks
	for e, seen := range marks {
		if e > epoch || fetched && e != epoch {
			continue
		}
		before := sort.Search(len(seen), func(i int) bool { return seen[i].at >= int64(call) })
		if before > 0 && seen[before-1].hw > hw {
			m := seen[before-1]
			l.broken(WatermarkBack, "%s: %s saw %d at epoch %d after %s had seen %d at epoch %d", p, who, hw, epoch, m.who, m.hw, e)
			return
		}
	}
	if seen := marks[epoch]; len(seen) == 0 || seen[len(seen)-1].hw < hw {
		marks[epoch] = append(seen, mark{now, hw, who})
	}
}

// Gauge takes the gauge of a replica's high watermark. A source is one run of a broker.
func (l *Ledger) Gauge(source string, p Part, hw int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := sourceKey{source, p}
	if before, ok := l.gauges[key]; ok && before > hw {
		l.broken(WatermarkBack, "%s: it went back in %s, from %d to %d", p, source, before, hw)
	}
	l.gauges[key] = hw
}

// Truncated says that a replica's log was cut at an offset: so may its gauge
// be, if it was behind others.
func (l *Ledger) Truncated(source string, p Part, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := sourceKey{source, p}
	if before, ok := l.gauges[key]; ok {
		l.gauges[key] = min(before, end)
	}
}

// Delete says that DeleteRecords is asked for below an offset.
func (l *Ledger) Delete(p Part, below int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick()
	part := l.part(p)
	part.asked = max(part.asked, below)
}

// logStart takes a log start offset. Who moves it must be allowed to.
func (l *Ledger) logStart(p Part, start int64, who string) {
	part := l.part(p)
	if start <= part.start {
		return
	}
	part.start = start
	policy := l.policies[p.Topic]
	if start <= part.asked || policy.Compacted {
		return
	}
	if policy.Retention == 0 {
		l.broken(LogStart, "%s: it is %d to %s, and %d at most was asked for", p, start, who, part.asked)
		return
	}
	young := slices.IndexFunc(part.writes, func(s *Sent) bool {
		return s.acked > 0 && s.offset >= part.asked && s.offset < start && l.now()-s.at < policy.Retention
	})
	if young >= 0 {
		s := part.writes[young]
		l.broken(LogStart, "%s: it is %d to %s, though offset %d is %v old and kept for %v", p, start, who, s.offset, l.now()-s.at, policy.Retention)
	}
}
