package replica

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
)

// What one answer to a follower holds at most. Small answers are still in the
// processor's cache when the follower writes them, which saves a fifth of the
// CPU that a GB takes from disk to disk; below these sizes the requests cost
// more than that.
const (
	// chunkBytes is of one partition (replica.fetch.max.bytes).
	chunkBytes = 128 << 10
	// catchUpBytes is of followers that are not in sync, where others are to be
	// served with it: who returns after a long time must not hold up the rest.
	catchUpBytes = 128 << 10
	// minBuffer is the least room for a partition's batches.
	minBuffer = 16 << 10
	// keepBuffer is the most room that an answer keeps for the next.
	keepBuffer = 1 << 20
)

// answers are those whose memory was given back.
var answers = sync.Pool{New: func() any { return new(FetchResponse) }}

// response returns an empty answer.
func (f *session) response(req *FetchRequest) *FetchResponse {
	r := answers.Get().(*FetchResponse)
	r.Session, r.Number, r.pooled = f.id, req.Number, true
	return r
}

// Release gives back the memory of the answer and of its Batches, which must
// not be used any more.
func (r *FetchResponse) Release() {
	if !r.pooled {
		return
	}
	clear(r.Partitions)
	r.Partitions, r.Err, r.room, r.pooled = r.Partitions[:0], nil, r.buf[:0], false
	answers.Put(r)
}

// fill puts what is ready into the answer and reports whether there is any.
func (s *Set) fill(f *session, req *FetchRequest, resp *FetchResponse, all bool) bool {
	list := f.take(all)
	room := min(req.MaxBytes, s.cfg.FetchMaxBytes)
	for _, p := range list {
		if p.replica == nil || p.err != nil || p.diverging != nil || p.at.LeaderEpoch != p.replica.epoch.Load() {
			s.look(p)
		}
		if p.live || p.err != nil || p.diverging != nil {
			room -= s.tell(f, p, resp, room)
		}
	}
	if len(resp.Partitions) > 0 {
		room = min(room, catchUpBytes)
	}
	for _, p := range list {
		if !p.live && p.err == nil && p.diverging == nil {
			room -= s.tell(f, p, resp, room)
		}
	}
	clear(list)
	return len(resp.Partitions) > 0
}

// tell puts what is new of a partition into the answer, and returns how many
// bytes of batches that is. What finds no room stays ready.
func (s *Set) tell(f *session, p *followed, resp *FetchResponse, room int) int {
	out := FetchedPartition{PartitionID: p.at.PartitionID, HighWatermark: -1, LogStart: -1, LogEnd: -1, Diverging: p.diverging, Err: p.err}
	if p.err == nil {
		r := p.replica
		out.HighWatermark, out.LogStart, out.LogEnd = r.HighWatermark(), r.Start(), r.End()
		if p.diverging == nil && p.at.Offset < out.LogEnd {
			if room <= 0 {
				p.list(hurry)
				return 0
			}
			out.Batches, out.Err = resp.read(r, p.at.Offset, out.LogEnd, min(room, chunkBytes))
		}
	} else if p.replica != nil {
		out.LogStart, out.LogEnd = p.replica.Start(), p.replica.End()
	}
	switch {
	case out.Err != nil && sameCode(out.Err, p.toldErr):
		return 0
	case out.Err == nil && out.Diverging == nil && len(out.Batches) == 0 && out.HighWatermark == p.toldHW && out.LogStart == p.toldStart:
		return 0
	}
	p.toldErr = out.Err
	if out.Err == nil {
		p.toldHW, p.toldStart = out.HighWatermark, out.LogStart
	}
	resp.Partitions = append(resp.Partitions, out)
	f.told = append(f.told, p)
	return len(out.Batches)
}

// read reads batches into the answer's memory.
func (r *FetchResponse) read(p *Partition, from, upTo int64, most int) ([]byte, error) {
	if cap(r.room)-len(r.room) < minBuffer {
		r.room = make([]byte, 0, max(minBuffer, min(2*cap(r.room), keepBuffer)))
		r.buf = r.room
	}
	n := len(r.room)
	out, err := p.readForFollower(r.room[n:n:cap(r.room)], from, upTo, most)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	if &out[:1][0] == &r.room[:n+1][n] {
		r.room = r.room[:n+len(out)]
	} else if cap(out) <= keepBuffer && cap(out) > cap(r.buf) {
		// It was too large for what was left. The next answer has room for it.
		r.room, r.buf = out, out[:0]
	}
	return out, nil
}

// sameCode says whether two errors are one to the protocol.
func sameCode(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return codeOf(a) == codeOf(b)
}

// codeOf is the protocol's error, UNKNOWN_SERVER_ERROR for what is none.
func codeOf(err error) *kerr.Error {
	if k, ok := asProtocol(err); ok {
		return k
	}
	return kerr.UnknownServerError
}
