package check

import "slices"

// Audit takes all that can be read of a partition, from the log start to the
// high watermark, as it was found by reads that began at a call, and holds it
// against all that is known.
func (l *Ledger) Audit(call Call, p Part, start, end int64, records []Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.tick()
	l.logStart(p, start, "the audit")
	log := map[int64]string{}
	next := start
	for _, r := range records {
		l.stands(p, r, now, "the audit")
		if r.Offset != next && !l.policies[p.Topic].Compacted {
			l.broken(Gap, "%s: offset %d follows %d", p, r.Offset, next-1)
		}
		log[r.Offset] = r.Value
		next = r.Offset + 1
	}
	if next != end && !l.policies[p.Topic].Compacted {
		l.broken(Gap, "%s: the log ends at %d, and its last record is at %d", p, end, next-1)
	}
	l.auditWrites(call, p, start, log)
	l.auditReads(call, p, start, log)
	l.auditProducers(p, start, records)
}

// auditWrites looks for what was acknowledged.
func (l *Ledger) auditWrites(call Call, p Part, start int64, log map[int64]string) {
	if l.policies[p.Topic].Compacted {
		return
	}
	for _, s := range l.part(p).writes {
		if !s.All || s.acked == 0 || s.acked > int64(call) || s.offset < start {
			continue
		}
		if got, ok := log[s.offset]; !ok || got != s.Value {
			l.broken(AckedLost, "%s: %q of %s was acknowledged at offset %d, where %q is", p, s.Value, s.Producer, s.offset, got)
		}
	}
}

// auditReads looks for what was read.
func (l *Ledger) auditReads(call Call, p Part, start int64, log map[int64]string) {
	if l.policies[p.Topic].Compacted {
		return
	}
	values := l.part(p).values
	for offset, seen := range values {
		if seen.read == 0 || seen.read > int64(call) || offset < start {
			continue
		}
		if _, ok := log[offset]; !ok {
			l.broken(ReadLost, "%s: %s read %q at offset %d, where nothing is any more", p, seen.who, seen.value, offset)
		}
	}
}

// auditProducers looks at the order of each producer's records.
func (l *Ledger) auditProducers(p Part, start int64, records []Record) {
	at := map[string]int64{}
	last := map[string]int64{}
	sequences := map[string][]*Sent{}
	for _, s := range l.part(p).writes {
		if s.Idempotent {
			sequences[s.Producer] = append(sequences[s.Producer], s)
		}
	}
	for _, r := range records {
		s := l.sent[r.Value]
		if s == nil {
			continue // a phantom, which was told
		}
		if before, twice := at[r.Value]; twice {
			if s.Idempotent || s.Once {
				l.broken(Duplicate, "%s: %q of %s is at offset %d and %d", p, r.Value, s.Producer, before, r.Offset)
			}
			continue
		}
		at[r.Value] = r.Offset
		if !s.Idempotent {
			continue
		}
		next := int64(0)
		if before, ok := last[s.Producer]; ok {
			next = before + 1
		} else if start > 0 {
			next = s.Seq
		}
		if next > s.Seq {
			l.broken(Order, "%s: record %d of %s, at offset %d, is behind its record %d", p, s.Seq, s.Producer, r.Offset, next-1)
			continue
		}
		last[s.Producer] = s.Seq
		between := sequences[s.Producer][next:s.Seq]
		if i := slices.IndexFunc(between, func(m *Sent) bool { return !m.failed }); i >= 0 {
			l.broken(Gap, "%s: record %d of %s is missing before its record %d at offset %d", p, between[i].Seq, s.Producer, s.Seq, r.Offset)
		}
	}
}
