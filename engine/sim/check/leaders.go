package check

// leaderKey is a partition in one leader epoch.
type leaderKey struct {
	part  Part
	epoch int32
}

// leaderSeen is who leads, and who says so.
type leaderSeen struct {
	broker int32
	source string
}

// Leader takes that a source, such as one run of a broker, names the leader of
// a partition; -1: it says that there is none.
func (l *Ledger) Leader(source string, p Part, epoch, leader int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := sourceKey{source, p}
	if before, ok := l.epochs[at]; ok && before > epoch {
		l.broken(EpochBack, "%s: the leader epoch of %s went from %d to %d", p, source, before, epoch)
	}
	l.epochs[at] = epoch
	if leader < 0 {
		return
	}
	key := leaderKey{p, epoch}
	before, ok := l.leaders[key]
	if ok && before.broker != leader {
		l.broken(OneLeader, "%s: in epoch %d it is broker %d to %s and broker %d to %s", p, epoch, before.broker, before.source, leader, source)
	}
	if !ok {
		l.leaders[key] = leaderSeen{leader, source}
	}
}
