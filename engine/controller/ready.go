package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/logarium/logarium/engine/metadata"
)

// step lets raft do something, and then does all that raft asks for.
func (c *Controller) step(do func() error) {
	if c.failed != nil {
		return
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case raftPanic:
			c.fail(errors.New(string(p)))
		default:
			panic(p)
		}
	}()
	if err := do(); err != nil {
		c.fail(err)
		return
	}
	for c.node.HasReady() {
		if err := c.handle(c.node.Ready()); err != nil {
			c.fail(err)
			return
		}
	}
	if c.store.size > c.cfg.SnapshotBytes && c.applied > c.store.base {
		if err := c.store.compact(c.applied, c.Image().AppendTo(nil)); err != nil {
			c.fail(fmt.Errorf("write a snapshot: %w", err))
		}
	}
}

// handle persists, sends and applies. What a leader appends goes out before it
// is on its own disk (Raft dissertation, 10.2.1): the leader counts its own copy
// only after Advance. All else that is said depends on what is persisted first.
func (c *Controller) handle(rd raft.Ready) error {
	if rd.SoftState != nil {
		c.elected(rd.SoftState)
	}
	if c.lead.elected {
		for _, m := range rd.Messages {
			if beforeSync(m) {
				if err := c.send(m); err != nil {
					return err
				}
			}
		}
	}
	if !raft.IsEmptySnap(rd.Snapshot) {
		if err := c.restore(rd); err != nil {
			return fmt.Errorf("install a snapshot: %w", err)
		}
	} else if rd.MustSync {
		if err := c.store.save(rd.HardState, rd.Entries); err != nil {
			return fmt.Errorf("append to the log: %w", err)
		}
	}
	for _, m := range rd.Messages {
		if c.lead.elected && beforeSync(m) {
			continue // gone already
		}
		if err := c.send(m); err != nil {
			return err
		}
	}
	if err := c.apply(rd.CommittedEntries); err != nil {
		return err
	}
	c.node.Advance(rd)
	return c.begin()
}

// beforeSync says whether a leader's message depends on nothing that it still
// has to write.
func beforeSync(m *raftpb.Message) bool {
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		return true
	}
	return false
}

func (c *Controller) send(m *raftpb.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	c.cfg.Peers.Send(int32(m.GetTo()), b)
	if m.GetType() == raftpb.MsgSnap {
		// Whether it arrives is seen by the follower's next answer: raft asks
		// from there, and sends the snapshot again if it must.
		c.node.ReportSnapshot(m.GetTo(), raft.SnapshotFinish)
	}
	return nil
}

func decodeMessage(b []byte) (*raftpb.Message, error) {
	m := new(raftpb.Message)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("message of a voter: %w", err)
	}
	return m, nil
}

// elected notes that leadership was won or lost, here or elsewhere.
func (c *Controller) elected(s *raft.SoftState) {
	term := c.node.BasicStatus().GetTerm()
	leader := nobody
	if s.Lead != raft.None {
		leader = int32(s.Lead)
		c.campaign.clear()
	}
	if leads := s.RaftState == raft.StateLeader; leads != c.lead.elected {
		c.abandon(notController())
		if leads {
			c.lead = leadership{elected: true, term: term}
			clear(c.followed)
		}
	}
	c.follow(leader, term)
}

// restore takes over the image that the leader sent.
func (c *Controller) restore(rd raft.Ready) error {
	img, err := metadata.ReadImage(rd.Snapshot.GetData(), c.cfg.StaticDefaults)
	if err != nil {
		return err
	}
	if err := c.store.install(rd.Snapshot, rd.HardState, rd.Entries); err != nil {
		return err
	}
	before := c.Image()
	c.applied = rd.Snapshot.GetMetadata().GetIndex()
	c.publish(img, img.Since(before))
	return nil
}

// apply takes committed entries into the image, tells the watchers, and
// answers those who wait. Entries of earlier leaders come first; what changed
// by them is not told as events, since their own leader told it.
func (c *Controller) apply(entries []*raftpb.Entry) error {
	own := len(entries)
	for own > 0 && c.lead.elected && entries[own-1].GetTerm() == c.lead.term {
		own--
	}
	for i, part := range [][]*raftpb.Entry{entries[:own], entries[own:]} {
		if len(part) == 0 {
			continue
		}
		recs, seqs, err := decodeEntries(part)
		if err != nil {
			return err
		}
		c.applied = part[len(part)-1].GetIndex()
		for _, s := range seqs {
			c.progress.settle(s.term, s.seq)
		}
		if len(recs) > 0 {
			before := c.Image()
			img, delta, err := before.Apply(recs...)
			if err != nil {
				return fmt.Errorf("entries up to %d: %w", c.applied, err)
			}
			c.publish(img, delta)
			if i == 1 {
				c.emit(before, img, delta)
				c.after(delta)
			}
		}
		if i == 1 {
			c.answer(seqs)
		}
	}
	return nil
}

// decodeEntries returns the records of entries, and the sequence numbers of
// their proposals.
func decodeEntries(entries []*raftpb.Entry) (recs []metadata.Record, seqs []settled, err error) {
	for _, e := range entries {
		if len(e.GetData()) == 0 {
			continue // raft's own, at the start of a term
		}
		if e.GetType() != raftpb.EntryNormal {
			return nil, nil, fmt.Errorf("entry %d has type %s", e.GetIndex(), e.GetType())
		}
		seq, w := binary.Uvarint(e.GetData())
		if w <= 0 {
			return nil, nil, fmt.Errorf("entry %d has no sequence number", e.GetIndex())
		}
		more, err := metadata.DecodeRecords(e.GetData()[w:])
		if err != nil {
			return nil, nil, fmt.Errorf("entry %d: %w", e.GetIndex(), err)
		}
		recs, seqs = append(recs, more...), append(seqs, settled{e.GetTerm(), seq})
	}
	return recs, seqs, nil
}

func (c *Controller) publish(img *metadata.Image, delta *metadata.Delta) {
	c.image.Store(img)
	for _, w := range c.watchers {
		w.fn(img, delta)
	}
	c.progress.moved(img.Offset())
}

// after sets the alarms of the active controller that follow from a change.
func (c *Controller) after(d *metadata.Delta) {
	if len(d.BrokersChanged) > 0 {
		c.nextJudgement()
	}
	if c.lead.ready && c.balance.at.IsZero() && (len(d.PartitionsChanged) > 0 || len(d.BrokersChanged) > 0) {
		c.balanceSoon()
	}
}

func (c *Controller) balanceSoon() {
	c.balance.set(time.Now().Add(time.Duration(c.Image().BrokerInt("leader.imbalance.check.interval.seconds")) * time.Second))
}

// balanceLeaders gives leadership back to preferred leaders. It is looked at
// again after the next change, not before.
func (c *Controller) balanceLeaders() {
	c.balance.clear()
	if c.lead.ready {
		c.decide(balance{})
	}
}

// answer gives the parked answers of applied proposals.
func (c *Controller) answer(seqs []settled) {
	for _, s := range seqs {
		if len(c.lead.parked) == 0 || c.lead.parked[0].seq != s.seq {
			continue
		}
		p := c.lead.parked[0]
		c.lead.parked = c.lead.parked[1:]
		finish(p.waiting, nil)
	}
}

// begin makes a newly elected leader the active controller: once everything
// before its term is applied it appends its first records, and once those are
// applied it takes requests.
func (c *Controller) begin() error {
	l := &c.lead
	if !l.elected || l.ready || l.seq > 0 {
		return nil
	}
	term, err := c.store.Term(c.applied)
	if err != nil {
		return err
	}
	if term != l.term {
		return nil
	}
	recs, err := c.machine.begin(c.Image(), c.cfg, int32(l.term), c.links.snapshot())
	if err != nil {
		return err
	}
	after, _, err := c.Image().Apply(recs...)
	if err != nil {
		return err
	}
	first := newRequest(nil, func(out outcome) {
		if out.err == nil {
			c.takeOver()
		}
	})
	return c.propose([]*request{first}, []int64{after.Offset()}, metadata.AppendRecords(nil, recs...), after)
}

// takeOver begins to take requests as the active controller.
func (c *Controller) takeOver() {
	c.lead.ready = true
	c.sessions.begin(c.Image(), time.Now())
	c.active.Store(true)
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
	c.nextJudgement()
	c.balanceSoon()
	c.links.poke() // whoever was lost meanwhile is fenced
}
