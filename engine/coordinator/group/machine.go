package group

import (
	"log/slog"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/event"
)

// Settings are the rules that the machine applies. All must be set.
type Settings struct {
	MinSessionTimeout, MaxSessionTimeout time.Duration
	InitialRebalanceDelay                time.Duration // 0: none
	NewMemberJoinTimeout                 time.Duration
	MaxGroupSize                         int // 0: no limit
	OffsetMetadataMax                    int // bytes
	OffsetsRetention                     time.Duration
	OffsetsRetentionCheck                time.Duration
	// NewID returns a new UUID for a member id.
	NewID func() string
	// Logger is told why groups rebalance.
	Logger *slog.Logger
}

// Client is who sends a request, as it is kept with a member.
type Client struct{ ID, Host string }

// Token stands for a request that waits for its answer. The machine only
// carries it from the request to Answer.To.
type Token any

// Answer is the answer to one request.
type Answer struct {
	To       Token
	Response kmsg.Response
}

// GaugeChange is one change to the gauges of a group's partition.
type GaugeChange struct {
	Key event.GroupKey
	Set GaugeSet
	// Offset is for Committed and Loaded: the committed offset.
	Offset int64
	// Member and ClientID are for Assigned.
	Member, ClientID string
}

// GaugeSet says what a GaugeChange changes.
type GaugeSet uint8

// The changes.
const (
	Committed  GaugeSet = iota // a commit: set the offset and count it
	Loaded                     // a commit of earlier: set the offset
	Forgotten                  // the offset was deleted and nobody has the partition
	Assigned                   // the partition belongs to a member
	Unassigned                 // the partition belongs to nobody
)

// Output is what is to be done for the inputs since the last Flush, once the
// records that Flush wrote, and all before them, are committed.
type Output struct {
	Answers []Answer
	Events  []event.State
	Gauges  []GaugeChange
}

// Empty says that there is nothing to do.
func (o *Output) Empty() bool {
	return len(o.Answers) == 0 && len(o.Events) == 0 && len(o.Gauges) == 0
}

// write is one atomic list of records and what to do when they are in the log
// (code 0) or could not be put there.
type write struct {
	records []Record
	then    func(code int16)
}

// Machine is the state of the groups of one partition of __consumer_offsets.
// It is not safe for concurrent use. A method that takes a request only says
// what is to be written and answered; Flush carries it out.
type Machine struct {
	cfg     Settings
	groups  map[string]*group
	timers  timers
	sweeper timer
	loaded  bool
	writes  []write
	out     Output
}

// New returns a machine without groups: Replay what the log holds, then call
// Loaded, then serve.
func New(cfg Settings) *Machine {
	m := &Machine{cfg: cfg, groups: make(map[string]*group)}
	m.sweeper.fire = m.expireOffsets
	if m.cfg.MaxGroupSize <= 0 {
		m.cfg.MaxGroupSize = math.MaxInt
	}
	return m
}

// NextDeadline returns when Tick must be called next; it may be early.
func (m *Machine) NextDeadline() (time.Time, bool) { return m.timers.next() }

// Tick does what is due at now: sessions and rebalances that have run out of
// time, offsets past their retention.
func (m *Machine) Tick(now time.Time) { m.timers.run(now) }

// Flush hands each list of records that the inputs since the last Flush want
// written to appendAll, replays it when that succeeds, and returns what is to be
// done once all of them are committed. appendAll returns 0, or the error code
// that the requests behind the records are to be answered with.
func (m *Machine) Flush(appendAll func([]Record) int16) Output {
	for len(m.writes) > 0 {
		w := m.writes[0]
		m.writes = m.writes[1:]
		code := appendAll(w.records)
		if code == 0 {
			for _, r := range w.records {
				m.Replay(r)
			}
		}
		if w.then != nil {
			w.then(code)
		}
	}
	m.writes = nil
	out := m.out
	m.out = Output{}
	return out
}

func (m *Machine) write(records []Record, then func(code int16)) {
	m.writes = append(m.writes, write{records, then})
}

func (m *Machine) answer(to Token, r kmsg.Response) {
	m.out.Answers = append(m.out.Answers, Answer{to, r})
}

func (m *Machine) emit(s event.State) {
	if m.loaded {
		s.Broker, s.Partition = -1, -1
		m.out.Events = append(m.out.Events, s)
	}
}

func (m *Machine) gauge(c GaugeChange) { m.out.Gauges = append(m.out.Gauges, c) }

// create makes an empty group that nothing in the log knows of yet.
func (m *Machine) create(now time.Time, id string) *group {
	g := m.newGroup(id)
	g.since = now.UnixMilli()
	return g
}

func (m *Machine) newGroup(id string) *group {
	g := &group{
		id:       id,
		state:    Empty,
		previous: Dead,
		since:    -1,
		members:  make(map[string]*member),
		static:   make(map[string]string),
		pending:  make(map[string]*timer),
		unsynced: make(map[string]struct{}),
		support:  make(map[string]int),
	}
	g.join.fire = func(now time.Time) { m.joinTimedOut(now, g) }
	g.sync.fire = func(now time.Time) { m.syncTimedOut(now, g) }
	m.groups[id] = g
	m.emit(event.State{Kind: event.GroupCreated, Group: id})
	return g
}

// dropIfUnused forgets a group of which neither the log nor a member knows.
func (m *Machine) dropIfUnused(g *group) {
	if g.state != Empty || g.meta != nil || len(g.offsets) > 0 || len(g.pending) > 0 || m.groups[g.id] != g {
		return
	}
	m.drop(g)
}

// drop forgets a group.
func (m *Machine) drop(g *group) {
	for _, t := range g.pending {
		m.timers.cancel(t)
	}
	g.state = Dead
	delete(m.groups, g.id)
	m.emit(event.State{Kind: event.GroupDeleted, Group: g.id})
}
