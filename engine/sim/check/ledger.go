// Package check holds the rules that a log engine must keep, as checkers of
// what clients and gauges have seen of it. A Ledger takes what happened, step
// by step, and says which rule it breaks; Linearizable and Copies judge a
// whole history and whole replicas.
//
// It owns the rules and nothing else: no clock, no goroutine, no client, so
// that each rule is tested on histories made by hand. It is for tests, and
// imports engine/batch and porcupine.
package check

import (
	"fmt"
	"sync"
	"time"
)

// Rule names a rule.
type Rule string

// The rules. Those with a number are of the list of invariants that the engine
// is built to; see docs/testing.md.
const (
	OneLeader     Rule = "one-leader"     // one leader for each partition and leader epoch (I28)
	EpochBack     Rule = "epoch-back"     // a leader epoch never goes back (I28)
	WatermarkBack Rule = "watermark-back" // a high watermark never goes back (I6)
	AckedLost     Rule = "acked-lost"     // what was acknowledged to acks=all is at the offset that was told (I1)
	ReadLost      Rule = "read-lost"      // what was read once stays (I7)
	OneValue      Rule = "one-value"      // an offset has one value, for all readers, for ever (I4)
	Phantom       Rule = "phantom"        // nothing is read that was not sent to that partition (I9)
	Gap           Rule = "gap"            // an idempotent producer's records are there without holes (I2), offsets too (I5)
	Duplicate     Rule = "duplicate"      // and each of them once (I2)
	Order         Rule = "order"          // and in the order in which they were sent (I3)
	PollSkip      Rule = "poll-skip"      // polls of one consumer neither skip nor step back (I8)
	CopiesDiffer  Rule = "copies-differ"  // replicas are byte-equal where they are committed
	LogStart      Rule = "log-start"      // the log start moves by retention and DeleteRecords alone (I5, I30)
	OffsetBack    Rule = "offset-back"    // a group's committed offset never goes back (I18)
	MetadataLost  Rule = "metadata-lost"  // a change of metadata that was acknowledged stays (I32)
	NotLinear     Rule = "not-linear"     // a partition behaves as one append-only list
	Stuck         Rule = "stuck"          // after all faults are healed everything works again in bounded time
	Failed        Rule = "failed"         // nothing fails that the faults do not excuse
)

// Part names a partition. Names of topics are never used twice in a history.
type Part struct {
	Topic string
	Index int32
}

// String returns it as a folder would be named.
func (p Part) String() string { return fmt.Sprintf("%s-%d", p.Topic, p.Index) }

// Violation is a rule that was broken.
type Violation struct {
	Rule Rule
	At   time.Duration // since the start of the history
	Text string
}

// String returns one line.
func (v Violation) String() string {
	return fmt.Sprintf("%9.3fs  %s: %s", v.At.Seconds(), v.Rule, v.Text)
}

// Record is a record in a partition. The values of a history are all different.
type Record struct {
	Offset int64
	Value  string
}

// Call is the moment at which something was asked. What had been answered
// before it has happened before.
type Call int64

// Policy says what the engine may do with the records of a topic.
type Policy struct {
	Retention time.Duration // retention.ms; 0: it keeps all
	Compacted bool          // offsets may be missing
}

// maxViolations bounds what a Ledger keeps of each rule: the first ones tell the most.
const maxViolations = 5

// Ledger is what happened so far. Its methods may be called from any goroutine.
type Ledger struct {
	now func() time.Duration

	mu       sync.Mutex
	last     int64 // number of the newest event
	found    []Violation
	count    map[Rule]int
	policies map[string]Policy
	parts    map[Part]*partition
	sent     map[string]*Sent // by value
	leaders  map[leaderKey]leaderSeen
	gauges   map[sourceKey]int64 // high watermarks
	epochs   map[sourceKey]int32
	polls    map[sourceKey]int64 // next offset of a consumer
	groups   map[groupKey]*group
	facts    map[string]*fact
}

// sourceKey is a partition as one source saw it.
type sourceKey struct {
	source string
	part   Part
}

// New returns an empty ledger. now tells the time since the start of the
// history, for the text of violations and for retention.
func New(now func() time.Duration) *Ledger {
	return &Ledger{
		now: now, count: map[Rule]int{}, policies: map[string]Policy{}, parts: map[Part]*partition{}, sent: map[string]*Sent{},
		leaders: map[leaderKey]leaderSeen{}, gauges: map[sourceKey]int64{}, epochs: map[sourceKey]int32{},
		polls: map[sourceKey]int64{}, groups: map[groupKey]*group{}, facts: map[string]*fact{},
	}
}

// Call says that something is asked now.
func (l *Ledger) Call() Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Call(l.tick())
}

// Topic says what the engine may do with a topic's records; without a call it
// must keep them all.
func (l *Ledger) Topic(name string, p Policy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.policies[name] = p
}

// Break records that a rule was broken, as somebody outside has found.
func (l *Ledger) Break(rule Rule, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken(rule, format, args...)
}

// Violations returns the rules that were broken so far, the first ones if
// there are very many.
func (l *Ledger) Violations() []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Violation(nil), l.found...)
}

func (l *Ledger) broken(rule Rule, format string, args ...any) {
	if l.count[rule]++; l.count[rule] <= maxViolations {
		l.found = append(l.found, Violation{rule, l.now(), fmt.Sprintf(format, args...)})
	}
}

func (l *Ledger) tick() int64 {
	l.last++
	return l.last
}

// partition is what is known of one.
type partition struct {
	writes []*Sent
	values map[int64]seenValue // by offset
	marks  map[int32][]mark    // high watermarks by leader epoch
	start  int64               // highest log start seen
	asked  int64               // highest log start asked for by DeleteRecords
}

// seenValue is what stands at an offset.
type seenValue struct {
	value string
	read  int64 // when a consumer first read it; 0: never, it is known from an acknowledgement
	who   string
}

func (l *Ledger) part(p Part) *partition {
	if l.parts[p] == nil {
		l.parts[p] = &partition{values: map[int64]seenValue{}, marks: map[int32][]mark{}}
	}
	return l.parts[p]
}
