package broker

import (
	"container/list"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// The session epochs that are not a number in a row (KIP-227).
const (
	sessionInitial int32 = 0  // a full fetch that asks for a session
	sessionFinal   int32 = -1 // a full fetch without one
)

// fetchSessions remembers what each consumer fetches, so that it need not send
// it again (KIP-227).
type fetchSessions struct {
	mu     sync.Mutex // for what follows and for all sessions
	slots  int
	safe   time.Duration // no session that was used so recently is evicted
	byID   map[int32]*fetchSession
	oldest *list.List // of *fetchSession, the longest unused first
}

// fetchSession is one incremental fetch session. The fetch that has it in hand
// (busy) is alone with parts; a second one is refused.
type fetchSession struct {
	id     int32
	epoch  int32 // of the next request
	useIDs bool  // topics are named by id (version 13 and up)
	used   time.Time
	at     *list.Element
	busy   bool
	parts  []*fetchPart
	index  map[partKey]*fetchPart
	next   int // where the next answer begins, so that no partition starves
}

// partKey names a partition as the client does: by id, or by name.
type partKey struct {
	id    metadata.UUID
	topic string
	index int32
}

func newFetchSessions(l Limits) *fetchSessions {
	return &fetchSessions{slots: l.FetchSessions, safe: l.FetchSessionMinEviction, byID: map[int32]*fetchSession{}, oldest: list.New()}
}

// begin finds or makes the session of a request; nil is a fetch without one.
// The session is the caller's until done.
func (fs *fetchSessions) begin(req *kmsg.FetchRequest, now time.Time) (s *fetchSession, err error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if req.SessionEpoch == sessionInitial || req.SessionEpoch == sessionFinal {
		if old := fs.byID[req.SessionID]; old != nil && !old.busy {
			fs.remove(old)
		}
		if req.SessionEpoch == sessionFinal || !fs.room(now) {
			return nil, nil
		}
		return fs.create(req, now), nil
	}
	s = fs.byID[req.SessionID]
	switch {
	case s == nil:
		return nil, kerr.FetchSessionIDNotFound
	case s.busy || s.epoch != req.SessionEpoch:
		return nil, kerr.InvalidFetchSessionEpoch
	case s.useIDs != (req.Version >= 13):
		return nil, kerr.FetchSessionTopicIDError
	}
	s.update(req)
	if len(s.parts) == 0 {
		fs.remove(s)
		return nil, nil
	}
	s.busy = true
	s.used = now
	fs.oldest.MoveToBack(s.at)
	s.epoch = nextEpoch(s.epoch)
	return s, nil
}

// done gives a session back.
func (fs *fetchSessions) done(s *fetchSession) {
	fs.mu.Lock()
	s.busy = false
	fs.mu.Unlock()
}

// room makes sure that a session can be added, by evicting one if need be.
func (fs *fetchSessions) room(now time.Time) bool {
	if len(fs.byID) < fs.slots {
		return true
	}
	for e := fs.oldest.Front(); e != nil; e = e.Next() {
		s := e.Value.(*fetchSession)
		if now.Sub(s.used) <= fs.safe {
			return false
		}
		if !s.busy {
			fs.remove(s)
			return true
		}
	}
	return false
}

func (fs *fetchSessions) remove(s *fetchSession) {
	delete(fs.byID, s.id)
	fs.oldest.Remove(s.at)
}

func (fs *fetchSessions) create(req *kmsg.FetchRequest, now time.Time) *fetchSession {
	s := &fetchSession{epoch: 1, useIDs: req.Version >= 13, used: now, busy: true, index: map[partKey]*fetchPart{}}
	for s.id == 0 || fs.byID[s.id] != nil {
		s.id = rand.Int32() //nolint:gosec // a name, not a secret: Kafka's are random numbers too
	}
	s.update(req)
	if len(s.parts) == 0 {
		return nil
	}
	fs.byID[s.id] = s
	s.at = fs.oldest.PushBack(s)
	return s
}

func nextEpoch(e int32) int32 {
	if e == 1<<31-1 {
		return 1
	}
	return e + 1
}

// update takes what a request changes: partitions added, changed and forgotten.
func (s *fetchSession) update(req *kmsg.FetchRequest) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			in := &t.Partitions[j]
			key := partKey{id: t.TopicID, topic: t.Topic, index: in.Partition}
			p := s.index[key]
			if p == nil {
				key.topic = cloneName(t.Topic) // the request's memory is used again
				p = newFetchPart(key)
				s.index[key] = p
				s.parts = append(s.parts, p)
			}
			p.ask(in)
		}
	}
	gone := false
	for _, t := range req.ForgottenTopics {
		for _, index := range t.Partitions {
			key := partKey{id: t.TopicID, topic: t.Topic, index: index}
			if p := s.index[key]; p != nil {
				delete(s.index, key)
				p.forgotten = true
				gone = true
			}
		}
	}
	if !gone {
		return
	}
	kept := s.parts[:0]
	for _, p := range s.parts {
		if !p.forgotten {
			kept = append(kept, p)
		}
	}
	clear(s.parts[len(kept):])
	s.parts = kept
}
