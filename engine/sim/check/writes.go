package check

import "time"

// Write is a record that a producer sends.
type Write struct {
	Part     Part
	Producer string
	// Seq numbers the records of one producer to one partition, from 0.
	Seq   int64
	Value string
	// All: it is sent with acks=all, so that an acknowledgement is for ever.
	All bool
	// Idempotent: it is there once at most, in the order of Seq, without holes.
	Idempotent bool
	// Once: it is sent once only, so that it cannot be there twice.
	Once bool
}

// Sent is a record on its way.
type Sent struct {
	Write
	ledger *Ledger
	at     time.Duration
	offset int64
	acked  int64 // when; 0: it was not
	failed bool
}

// Send says that a record is sent now.
func (l *Ledger) Send(w Write) *Sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick()
	s := &Sent{Write: w, ledger: l, at: l.now(), offset: -1}
	if l.sent[w.Value] != nil {
		panic("check: two records with the value " + w.Value)
	}
	l.sent[w.Value] = s
	l.part(w.Part).writes = append(l.part(w.Part).writes, s)
	return s
}

// Acked says that the record was acknowledged at an offset; -1 if that was not told.
func (s *Sent) Acked(offset int64) {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	s.acked, s.offset = l.tick(), offset
	if s.All && offset >= 0 {
		l.stands(s.Part, Record{offset, s.Value}, 0, "the acknowledgement to "+s.Producer)
	}
}

// Failed says that the producer was told of a failure. The record may be there
// all the same.
func (s *Sent) Failed() {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.ledger.tick()
	s.failed = true
}

// Acknowledged returns the values sent to a topic with acks=all that were
// acknowledged so far.
func (l *Ledger) Acknowledged(topic string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for p, part := range l.parts {
		if p.Topic != topic {
			continue
		}
		for _, s := range part.writes {
			if s.All && s.acked > 0 {
				out = append(out, s.Value)
			}
		}
	}
	return out
}

// stands takes that somebody saw a record. read is when, 0 if it was not read.
func (l *Ledger) stands(p Part, r Record, read int64, who string) {
	values := l.part(p).values
	old, known := values[r.Offset]
	switch {
	case known && old.value != r.Value:
		l.broken(OneValue, "%s at offset %d: %q to %s, %q to %s", p, r.Offset, old.value, old.who, r.Value, who)
	case !known || old.read == 0 && read > 0:
		values[r.Offset] = seenValue{r.Value, read, who}
	}
	switch s := l.sent[r.Value]; {
	case s == nil:
		l.broken(Phantom, "%s at offset %d: %s got %q, which nobody sent", p, r.Offset, who, r.Value)
	case s.Part != p:
		l.broken(Phantom, "%s at offset %d: %s got %q, which was sent to %s", p, r.Offset, who, r.Value, s.Part)
	}
}
