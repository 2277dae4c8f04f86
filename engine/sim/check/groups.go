package check

// groupKey is a partition as a group reads it.
type groupKey struct {
	group string
	part  Part
}

// group is what a group committed for a partition.
type group struct {
	acked []commitAck // rising
	tried int64
}

// commitAck is an offset whose commit was acknowledged.
type commitAck struct{ at, offset int64 }

// Commit says that a group commits an offset now. It calls the function that is
// returned when the commit was acknowledged. A group's commits for a partition
// must rise.
func (l *Ledger) Commit(name string, p Part, offset int64) (acked func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick()
	g := l.group(name, p)
	g.tried = max(g.tried, offset)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(g.acked); n == 0 || g.acked[n-1].offset < offset {
			g.acked = append(g.acked, commitAck{l.tick(), offset})
		}
	}
}

// Committed takes a group's committed offset, asked for at a call; -1: none.
func (l *Ledger) Committed(call Call, name string, p Part, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick()
	g := l.group(name, p)
	least := int64(-1)
	for _, a := range g.acked {
		if a.at < int64(call) {
			least = a.offset
		}
	}
	if offset < least {
		l.broken(OffsetBack, "group %s, %s: the committed offset is %d, and %d was acknowledged before", name, p, offset, least)
	}
	if offset > g.tried {
		l.broken(Phantom, "group %s, %s: the committed offset is %d, and nobody committed more than %d", name, p, offset, g.tried)
	}
	if n := len(g.acked); offset >= 0 && (n == 0 || g.acked[n-1].offset < offset) { // who has seen it may rely on it
		g.acked = append(g.acked, commitAck{l.last, offset})
	}
}

func (l *Ledger) group(name string, p Part) *group {
	key := groupKey{name, p}
	if l.groups[key] == nil {
		l.groups[key] = &group{tried: -1}
	}
	return l.groups[key]
}
