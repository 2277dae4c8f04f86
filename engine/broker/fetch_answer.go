package broker

import (
	"encoding/binary"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchAnswer is a FetchResponse whose batches are sent from where they were
// read to. It is encoded here and not by kmsg, which would copy them.
type fetchAnswer struct {
	kmsg.FetchResponse // version, session id
	f                  *fetch
	parts              []*fetchPart
	sending            []*buffer // hold the records from appendBody on
}

// release gives back the buffers, and the session if that was not done yet.
func (a *fetchAnswer) release() {
	a.handOver()
	for _, b := range a.sending {
		putBuffer(b)
	}
	a.sending = nil
}

// handOver takes the buffers out of the parts, which are the session's, and
// gives the session back. That is before the answer goes out: its client may
// ask again as soon as it has it.
func (a *fetchAnswer) handOver() {
	for _, p := range a.f.parts {
		if p.buf != nil {
			a.sending = append(a.sending, p.buf)
		}
		p.buf, p.records = nil, nil
	}
	if s := a.f.session; s != nil {
		a.f.session = nil
		a.f.b.sessions.done(s)
	}
	a.f.parts, a.parts = nil, nil
}

// fetchEncoder writes the parts of the answer that are not records.
type fetchEncoder struct {
	dst      []byte
	version  int16
	flexible bool
}

func (e *fetchEncoder) int16(v int16) { e.dst = binary.BigEndian.AppendUint16(e.dst, uint16(v)) }
func (e *fetchEncoder) int32(v int32) { e.dst = binary.BigEndian.AppendUint32(e.dst, uint32(v)) }
func (e *fetchEncoder) int64(v int64) { e.dst = binary.BigEndian.AppendUint64(e.dst, uint64(v)) }

// length writes the length of an array or of bytes.
func (e *fetchEncoder) length(n int) {
	if e.flexible {
		e.dst = binary.AppendUvarint(e.dst, uint64(n)+1)
		return
	}
	e.int32(int32(n))
}

func (e *fetchEncoder) name(s string) {
	if e.flexible {
		e.dst = binary.AppendUvarint(e.dst, uint64(len(s))+1)
	} else {
		e.int16(int16(len(s)))
	}
	e.dst = append(e.dst, s...)
}

// noTags ends a structure that has no tagged fields.
func (e *fetchEncoder) noTags() {
	if e.flexible {
		e.dst = append(e.dst, 0)
	}
}

// appendBody appends the body without the records to dst, and says where those
// belong.
func (a *fetchAnswer) appendBody(dst []byte) ([]byte, []cut) {
	e := fetchEncoder{dst: dst, version: a.Version, flexible: a.IsFlexible()}
	e.int32(0) // throttle
	if e.version >= 7 {
		e.int16(0)
		e.int32(a.SessionID)
	}
	topics := 0
	for i, p := range a.parts {
		if i == 0 || !sameTopic(a.parts[i-1], p) {
			topics++
		}
	}
	e.length(topics)
	var cuts []cut
	for rest := a.parts; len(rest) > 0; {
		n := 1
		for n < len(rest) && sameTopic(rest[0], rest[n]) {
			n++
		}
		if e.version >= 13 {
			e.dst = append(e.dst, rest[0].key.id[:]...)
		} else {
			e.name(rest[0].key.topic)
		}
		e.length(n)
		for _, p := range rest[:n] {
			cuts = a.appendPart(&e, p, cuts)
		}
		e.noTags()
		rest = rest[n:]
	}
	a.appendLeaders(&e)
	a.handOver()
	return e.dst, cuts
}

func sameTopic(a, b *fetchPart) bool { return a.key.id == b.key.id && a.key.topic == b.key.topic }

func (a *fetchAnswer) appendPart(e *fetchEncoder, p *fetchPart, cuts []cut) []cut {
	code, _ := a.f.b.codeOf(p.err)
	e.int32(p.key.index)
	e.int16(code)
	hw, stable := p.ends()
	e.int64(hw)
	e.int64(stable)
	if e.version >= 5 {
		e.int64(p.start)
	}
	if a.f.req.IsolationLevel != 1 {
		e.length(-1)
	} else {
		e.length(len(p.aborted))
		for _, t := range p.aborted {
			e.int64(t.ProducerID)
			e.int64(t.First)
			e.noTags()
		}
	}
	if e.version >= 11 {
		e.int32(p.instead)
	}
	e.length(len(p.records))
	if len(p.records) > 0 {
		cuts = append(cuts, cut{len(e.dst), p.records})
	}
	if !e.flexible {
		return cuts
	}
	leader, epoch, told := a.newLeader(p)
	if !told {
		e.noTags()
		return cuts
	}
	e.dst = append(e.dst, 1, 1, 9) // one tag: number 1, nine bytes
	e.int32(leader)
	e.int32(epoch)
	e.noTags()
	return cuts
}

// newLeader returns who leads a partition that the client took for ours.
func (a *fetchAnswer) newLeader(p *fetchPart) (leader, epoch int32, ok bool) {
	if !errors.Is(p.err, kerr.NotLeaderForPartition) && !errors.Is(p.err, kerr.FencedLeaderEpoch) {
		return 0, 0, false
	}
	leader, epoch = a.f.b.leaderOf(p.key.id, p.key.topic, p.key.index)
	return leader, epoch, leader >= 0
}

// appendLeaders ends the answer: version 16 has the addresses of new leaders
// (tag 0).
func (a *fetchAnswer) appendLeaders(e *fetchEncoder) {
	if !e.flexible {
		return
	}
	seen := map[int32]bool{}
	for _, p := range a.parts {
		if p.err == nil || e.version < 16 {
			continue
		}
		if leader, _, ok := a.newLeader(p); ok {
			seen[leader] = true
		}
	}
	if len(seen) == 0 {
		e.noTags()
		return
	}
	inner := fetchEncoder{version: e.version, flexible: true}
	nodes := a.f.b.endpoints(a.f.r, seen)
	inner.length(len(nodes))
	for _, n := range nodes {
		inner.int32(n.id)
		inner.name(n.host)
		inner.int32(n.port)
		if n.rack == nil {
			inner.dst = append(inner.dst, 0)
		} else {
			inner.name(*n.rack)
		}
		inner.noTags()
	}
	e.dst = append(e.dst, 1, 0) // one tag: number 0
	e.dst = binary.AppendUvarint(e.dst, uint64(len(inner.dst)))
	e.dst = append(e.dst, inner.dst...)
}
