package controller

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// followed is when the leader heard of another member.
type followed struct{ last, caughtUp time.Time }

// heard notes that a member has answered.
func (c *Controller) heard(m *raftpb.Message) {
	if !c.lead.elected || m.GetType() != raftpb.MsgAppResp && m.GetType() != raftpb.MsgHeartbeatResp {
		return
	}
	f := c.followed[m.GetFrom()]
	f.last = time.Now()
	last, err := c.store.LastIndex()
	if err == nil && m.GetType() == raftpb.MsgAppResp && !m.GetReject() && m.GetIndex() >= last {
		f.caughtUp = f.last
	}
	c.followed[m.GetFrom()] = f
}

// quorum describes the quorum as this leader sees it; false if it does not
// lead.
func (c *Controller) quorum() (QuorumInfo, bool) {
	status := c.node.Status()
	if !c.lead.ready || status.RaftState != raft.StateLeader {
		return QuorumInfo{}, false
	}
	now := time.Now()
	q := QuorumInfo{Leader: c.cfg.ID, Epoch: int32(status.GetTerm()), HighWatermark: int64(status.GetCommit()) + 1}
	last, err := c.store.LastIndex()
	if err != nil {
		return QuorumInfo{}, false
	}
	for id, p := range status.Progress {
		f := c.followed[id]
		switch {
		case id == status.ID:
			f = followed{now, now}
		case p.Match >= last && p.State == tracker.StateReplicate:
			f.caughtUp = f.last
		}
		r := QuorumReplica{ID: int32(id), LogEnd: int64(p.Match) + 1, LastFetch: f.last, LastCaughtUp: f.caughtUp}
		if p.IsLearner {
			q.Observers = append(q.Observers, r)
		} else {
			q.Voters = append(q.Voters, r)
		}
	}
	for _, list := range [][]QuorumReplica{q.Voters, q.Observers} {
		slices.SortFunc(list, func(a, b QuorumReplica) int { return cmp.Compare(a.ID, b.ID) })
	}
	return q, true
}

// Quorum returns the state of the metadata quorum as its leader sees it.
func (c *Controller) Quorum(ctx context.Context) (QuorumInfo, error) {
	type answer struct {
		QuorumInfo
		err error
	}
	a := callFunc(ctx, c, func(ctx context.Context, leader *Controller) (a answer, out outcome) {
		if err := leader.resumed(ctx); err != nil {
			return a, outcome{err: timedOut()}
		}
		leads := false
		leader.do(func() { a.QuorumInfo, leads = leader.quorum() })
		if !leads {
			out.err = notController()
		}
		return a, out
	}, func(err error) answer { return answer{err: err} }, false)
	return a.QuorumInfo, a.err
}
