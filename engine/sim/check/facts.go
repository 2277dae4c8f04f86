package check

import "slices"

// Absent is the value of a fact that is not there, such as a deleted topic.
const Absent = ""

// fact is a piece of metadata that one client changes at a time.
type fact struct {
	value string   // of the last change that was acknowledged
	acked int64    // when; 0: never
	open  []string // values of changes whose outcome is not known
}

// Change says that a piece of metadata, such as "topic a: partitions", is to
// have a value from now on. The function that is returned is to be called with
// the outcome.
func (l *Ledger) Change(key, value string) (done func(acked bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick()
	if l.facts[key] == nil {
		l.facts[key] = &fact{value: Absent}
	}
	f := l.facts[key]
	f.open = append(f.open, value)
	return func(acked bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		now := l.tick()
		if !acked {
			return // it may have been made, or be made yet
		}
		f.value, f.acked = value, now
		if i := slices.Index(f.open, value); i >= 0 {
			f.open = slices.Delete(f.open, i, i+1)
		}
	}
}

// Facts takes the metadata of the cluster as it is to all brokers, asked for
// at a call: every change that was acknowledged before must be in it. found
// returns the value of a key.
func (l *Ledger) Facts(call Call, who string, found func(key string) string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick()
	for key, f := range l.facts {
		if f.acked == 0 || f.acked > int64(call) { // what it was before is not known
			continue
		}
		if got := found(key); got != f.value && !slices.Contains(f.open, got) {
			l.broken(MetadataLost, "%s: it is %q to %s, and %q was acknowledged", key, got, who, f.value)
		}
	}
}
