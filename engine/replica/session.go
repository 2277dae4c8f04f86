package replica

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// newsDelay is how long a leader holds back what is not urgent, a high
// watermark that moved or a log start: batches that come meanwhile take it
// along.
const newsDelay = time.Millisecond

// session is what a leader keeps of one follower broker: the partitions that
// it follows here, and which of them there is something to tell of (KIP-227
// without the search: what appends puts its partition on the list). A
// partition that nothing happens to costs nothing.
type session struct {
	follower int32
	id       uint64

	serving lock        // one request at a time; guards what follows
	number  uint64      // of the last request
	told    []*followed // by the last answer, which may be lost
	taken   []*followed // room for what take returns
	broker  int64       // the follower's broker epoch

	mu     sync.Mutex // held for moments; nothing is called under it
	parts  map[PartitionID]*followed
	ready  []*followed
	urgent bool
	wakeup chan struct{}
}

// How a followed partition stands in its session.
const (
	quiet  = iota // there is nothing to tell
	listed        // on the list of what is ready
	hurry         // on it, and with something to tell at once
)

// followed is one partition in the session of a follower.
type followed struct {
	session *session
	state   atomic.Int32
	gone    bool // guarded by session.mu

	// Guarded by session.serving.
	at                FetchPartition
	replica           *Partition // nil: this broker has none
	live              bool       // the high watermark waits for the follower
	diverging         *EpochEnd  // of at, nil: none
	err               error      // with at, nil: none
	toldHW, toldStart int64
	toldErr           error
}

// appended says that there are new batches. A nil receiver is a partition that
// the follower does not fetch yet.
func (f *followed) appended() {
	if f != nil && f.state.Load() != hurry {
		f.list(hurry)
	}
}

// news says that something moved that can wait for a moment.
func (f *followed) news() {
	if f != nil && f.state.Load() == quiet {
		f.list(listed)
	}
}

// list puts the partition on its session's list of what is ready.
func (f *followed) list(state int32) {
	s := f.session
	s.mu.Lock()
	was := f.state.Load()
	if was == quiet {
		s.ready = append(s.ready, f)
	}
	f.state.Store(max(was, state))
	wake := len(s.ready) == 1
	if state == hurry && !s.urgent {
		s.urgent, wake = true, true
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

func (f *session) wake() {
	select {
	case f.wakeup <- struct{}{}:
	default:
	}
}

// poke has a partition looked at again whose leader here is another now.
func (f *session) poke(id PartitionID) {
	f.mu.Lock()
	p := f.parts[id]
	f.mu.Unlock()
	if p != nil {
		p.list(hurry)
	}
}

// sessions are those of all followers of a Set's partitions.
type sessions struct {
	mu   sync.Mutex
	of   map[int32]*session // by follower
	last uint64
}

// find returns the session of a request, a new one if it asks for that, nil if
// it is unknown.
func (ss *sessions) find(req *FetchRequest) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.of[req.Follower]
	if req.Session == 0 {
		ss.last++
		s = &session{
			follower: req.Follower, id: ss.last, serving: newLock(),
			parts: map[PartitionID]*followed{}, wakeup: make(chan struct{}, 1),
		}
		if ss.of == nil {
			ss.of = map[int32]*session{}
		}
		ss.of[req.Follower] = s
		return s
	}
	if s == nil || s.id != req.Session {
		return nil
	}
	return s
}

// poke has the followers of a partition looked at again.
func (ss *sessions) poke(id PartitionID, replicas []int32) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, r := range replicas {
		if s := ss.of[r]; s != nil {
			s.poke(id)
		}
	}
}

// ServeFetch answers a follower of partitions that this broker leads: with all
// that is new, or once something is, or when req.MaxWait has passed.
func (s *Set) ServeFetch(ctx context.Context, req *FetchRequest) (*FetchResponse, error) {
	f := s.sessions.find(req)
	if f == nil {
		return &FetchResponse{Number: req.Number, Err: kerr.FetchSessionIDNotFound}, nil
	}
	select {
	case f.serving <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer f.serving.unlock()
	if req.Number <= f.number { // overtaken by a newer one
		return &FetchResponse{Number: req.Number, Err: kerr.InvalidFetchSessionEpoch}, nil
	}
	f.begin(req)
	s.hear(f, req)
	resp := f.response(req)
	if s.fill(f, req, resp, false) {
		return resp, nil
	}
	if err := s.serveLater(ctx, f, req, resp); err != nil {
		resp.Release()
		return nil, err
	}
	return resp, nil
}

// serveLater waits until there is something to tell.
func (s *Set) serveLater(ctx context.Context, f *session, req *FetchRequest, resp *FetchResponse) error {
	started := time.Now()
	timer := time.NewTimer(req.MaxWait)
	defer timer.Stop()
	over, soon := false, false
	for {
		f.mu.Lock()
		wait := len(f.ready) > 0 && !f.urgent && !soon
		f.mu.Unlock()
		if wait {
			soon = true
			timer.Reset(min(newsDelay, max(req.MaxWait-time.Since(started), 0)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.over.Done():
			return errClosed
		case <-f.wakeup:
		case <-timer.C:
			over = over || !soon
			if s.fill(f, req, resp, true) || over {
				return nil
			}
			soon = false
			over = time.Since(started) >= req.MaxWait
			timer.Reset(max(req.MaxWait-time.Since(started), 0))
			continue
		}
		if s.fill(f, req, resp, false) {
			return nil
		}
	}
}

// begin takes note of the request. What the follower was told by an answer that
// it never got is to be told again.
func (f *session) begin(req *FetchRequest) {
	lost := req.Received < f.number
	renewed := f.broker != req.FollowerEpoch && f.number > 0
	f.number, f.broker = req.Number, req.FollowerEpoch
	if renewed {
		f.renew()
	}
	for _, p := range f.told {
		if lost {
			p.toldHW, p.toldStart, p.toldErr = -1, -1, nil
			p.list(hurry)
		}
	}
	clear(f.told)
	f.told = f.told[:0]
}

// renew has leaders know that the follower was registered again: of a partition
// that nothing happens to it says no more than that.
func (f *session) renew() {
	f.mu.Lock()
	parts := slices.Collect(maps.Values(f.parts))
	f.mu.Unlock()
	for _, p := range parts {
		if p.replica != nil {
			p.replica.renewed(f.follower, f.broker)
		}
	}
}

// hear takes what the follower says of its partitions.
func (s *Set) hear(f *session, req *FetchRequest) {
	for _, id := range req.Forget {
		f.mu.Lock()
		p := f.parts[id]
		delete(f.parts, id)
		if p != nil {
			p.gone = true
		}
		f.mu.Unlock()
		if p != nil && p.replica != nil {
			p.replica.unlink(p)
		}
	}
	for i := range req.Partitions {
		at := &req.Partitions[i]
		f.mu.Lock()
		p := f.parts[at.PartitionID]
		if p == nil {
			p = &followed{session: f}
			f.parts[at.PartitionID] = p
		}
		f.mu.Unlock()
		if p.at.LeaderEpoch != at.LeaderEpoch || p.toldErr != nil {
			p.toldHW, p.toldStart, p.toldErr = -1, -1, nil
		}
		p.at = *at
		s.meet(p)
	}
}

// meet holds where a follower says it is against the log. Only what it has to
// be told of goes on the list.
func (s *Set) meet(f *followed) {
	s.look(f)
	switch {
	case f.diverging != nil || f.err != nil || f.at.Offset < f.replica.End():
		f.list(hurry)
	case f.toldHW != f.replica.HighWatermark() || f.toldStart != f.replica.Start():
		f.news()
	}
}

// look finds the partition and what it makes of the follower's place.
func (s *Set) look(f *followed) {
	if f.replica == nil || f.replica.down.Load() != nil {
		f.replica, f.err = s.ByID(f.at.Topic, f.at.Index)
		if f.err != nil {
			f.replica = nil
			return
		}
	}
	f.diverging, f.err = f.replica.heard(f)
}

// take returns what is ready, in the order in which it became so; nothing where
// nothing is urgent, unless all is asked for.
func (f *session) take(all bool) []*followed {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.urgent && !all {
		return nil
	}
	list := f.taken[:0]
	for _, p := range f.ready {
		p.state.Store(quiet)
		if !p.gone {
			list = append(list, p)
		}
	}
	clear(f.ready)
	f.ready, f.urgent = f.ready[:0], false
	f.taken = list
	return list
}
