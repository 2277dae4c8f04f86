package controller

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/logarium/logarium/engine/metadata"
)

// nobody is the leader where none is known.
const nobody int32 = -1

// standAgain is how long a voter waits for the outcome of an election before it
// stands again, and stagger the time between voters that stand: the quorum is
// in one process, where a vote takes no longer than a sync.
const (
	standAgain = 40 * time.Millisecond
	stagger    = 20 * time.Millisecond
)

// links is what is known of the ways to other brokers.
type links struct {
	mu      sync.Mutex
	lost    map[int32]bool
	changed chan struct{} // has an element after a change
}

func newLinks() links {
	return links{lost: make(map[int32]bool), changed: make(chan struct{}, 1)}
}

func (l *links) set(id int32, lost bool) {
	l.mu.Lock()
	if lost {
		l.lost[id] = true
	} else {
		delete(l.lost, id)
	}
	l.mu.Unlock()
	l.poke()
}

// poke has the goroutine look at the links.
func (l *links) poke() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *links) snapshot() map[int32]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.lost)
}

// Lost says that the connections to a broker were reset: the active controller
// fences it at once, and if it was the active controller another is elected at
// once. It never blocks.
func (c *Controller) Lost(id int32) {
	if id != c.cfg.ID {
		c.links.set(id, true)
	}
}

// Found says that a broker that was lost can be reached again. It never blocks.
func (c *Controller) Found(id int32) { c.links.set(id, false) }

// linksChanged acts on what was lost and found.
func (c *Controller) linksChanged() {
	lost := c.links.snapshot()
	var found []int32
	for id := range c.lost {
		if !lost[id] {
			found = append(found, id)
		}
	}
	c.lost = lost
	if c.failed != nil {
		return
	}
	c.greet(found...)
	if c.lead.ready {
		c.fenceLost(lost)
	}
	status := c.node.BasicStatus()
	switch {
	case c.lead.elected:
		for id := range lost {
			c.node.ReportUnreachable(uint64(id))
		}
	case status.Lead != raft.None && lost[int32(status.Lead)]:
		c.step(c.node.ForgetLeader)
		c.standSoon(lost)
	case status.Lead == raft.None && !c.campaign.at.IsZero():
		c.standSoon(lost) // whoever was found may vote
	}
}

// greet has the leader go on with a member that was out of reach, without
// waiting for its next heartbeat: raft does so when it is answered.
func (c *Controller) greet(members ...int32) {
	for _, id := range members {
		m := &raftpb.Message{Type: raftpb.MsgHeartbeatResp.Enum(), From: new(uint64(c.cfg.ID)), To: new(uint64(id)), Term: new(uint64(0))}
		switch {
		case id == c.cfg.ID:
		case c.lead.elected:
			m.From, m.To = m.To, m.From
			c.step(func() error { return c.node.Step(m) })
		default:
			if err := c.send(m); err != nil {
				c.cfg.Logger.Warn("cannot greet another controller", "error", err)
			}
		}
	}
}

// fenceLost fences the brokers that cannot be reached.
func (c *Controller) fenceLost(lost map[int32]bool) {
	epochs := make(map[int32]int64)
	for _, b := range c.lead.pending.Brokers() {
		if lost[b.ID] && !b.Fenced {
			epochs[b.ID] = b.Epoch
		}
	}
	if len(epochs) > 0 {
		c.cfg.Logger.Warn("fencing brokers whose connections were lost", "brokers", slices.Sorted(maps.Keys(epochs)))
		c.decide(fenceBrokers{epochs, metadata.CauseConnection})
	}
}

// standSoon has this voter stand for election, the first of those that can be
// reached at once and the others a little later.
func (c *Controller) standSoon(lost map[int32]bool) {
	if !c.voter || len(c.cfg.Voters) == 1 {
		return
	}
	rank := 0
	for _, id := range c.cfg.Voters {
		if id < c.cfg.ID && !lost[id] {
			rank++
		}
	}
	c.campaign.set(time.Now().Add(time.Duration(rank) * stagger))
}

// stand stands for election, and goes on until somebody leads.
func (c *Controller) stand() {
	c.campaign.clear()
	status := c.node.BasicStatus()
	if c.failed != nil || status.Lead != raft.None {
		return
	}
	if status.RaftState != raft.StateCandidate {
		c.step(c.node.Campaign)
	}
	if c.node.BasicStatus().Lead == raft.None {
		c.campaign.set(time.Now().Add(standAgain))
	}
}

// giveWay has another voter stand for election at once, since this one leads
// and can not go on.
func (c *Controller) giveWay() {
	status := c.node.Status()
	if status.RaftState != raft.StateLeader {
		return
	}
	lost := c.links.snapshot()
	var best, match uint64
	for id, p := range status.Progress {
		if id != status.ID && !p.IsLearner && !lost[int32(id)] && (best == 0 || p.Match > match || p.Match == match && id < best) {
			best, match = id, p.Match
		}
	}
	if best == 0 {
		return
	}
	m := &raftpb.Message{Type: raftpb.MsgTimeoutNow.Enum(), From: new(status.ID), To: new(best), Term: new(status.GetTerm())}
	if err := c.send(m); err != nil {
		c.cfg.Logger.Warn("cannot hand leadership over", "error", err)
	}
}

// view is who leads, as this member believes.
type view struct {
	leader  int32 // nobody: not known
	term    uint64
	changed chan struct{} // closed when there is a newer view
}

func newView(leader int32, term uint64) *view {
	return &view{leader, term, make(chan struct{})}
}

// follow notes who leads.
func (c *Controller) follow(leader int32, term uint64) {
	old := c.view.Load()
	if old.leader == leader && old.term == term {
		return
	}
	c.view.Store(newView(leader, term))
	close(old.changed)
}

// Leader returns the broker that this controller believes to lead the quorum,
// −1 if it knows none.
func (c *Controller) Leader() int32 { return c.view.Load().leader }

// pause is one Pause.
type pause struct{ resumed chan struct{} }

// Pause stops all that this controller does until Resume, as if its process
// did not run. Close works meanwhile.
func (c *Controller) Pause() { c.held.CompareAndSwap(nil, &pause{make(chan struct{})}) }

// Resume ends a Pause. Sessions that an active controller counts begin anew.
func (c *Controller) Resume() {
	if p := c.held.Swap(nil); p != nil {
		c.sessions.forgive(time.Now())
		close(p.resumed)
	}
}

// hold waits on the goroutine while the controller is paused; false at the end.
func (c *Controller) hold() bool {
	waited := false
	for p := c.held.Load(); p != nil; p = c.held.Load() {
		waited = true
		select {
		case <-p.resumed:
		case <-c.stop:
			return false
		}
	}
	if waited {
		c.nextJudgement()
	}
	return true
}

// resumed waits for the end of a Pause, on a caller's goroutine.
func (c *Controller) resumed(ctx context.Context) error {
	for p := c.held.Load(); p != nil; p = c.held.Load() {
		select {
		case <-p.resumed:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.stopped:
			return notController()
		}
	}
	return nil
}
