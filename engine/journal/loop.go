package journal

import (
	"errors"
	"fmt"
)

// sealed is what the newest seal says.
type sealed struct{ at, released int64 }

// run writes and syncs what is appended, back to back: while one sync runs, the
// next group collects.
func (j *Journal) run() {
	defer close(j.ended)
	for {
		b := j.swap()
		if b == nil {
			if err := j.writeSeal(); err != nil {
				j.giveUp(nil, 0, err)
				return
			}
			select {
			case <-j.wakeup:
				continue
			case <-j.ctx.Done():
			}
			if b = j.swap(); b == nil {
				return
			}
		}
		if told, err := j.write(b); err != nil {
			j.giveUp(b, told, err)
			return
		}
		b.reset()
	}
}

// swap takes the buffer that has been filling, nil if there is nothing in it.
func (j *Journal) swap() *buffer {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.filling
	if b.empty() {
		return nil
	}
	j.filling, j.idle = j.idle, b
	return b
}

// giveUp ends the journal after a failed write, and tells everybody who waits.
func (j *Journal) giveUp(b *buffer, told int, err error) {
	if !errors.Is(err, ErrClosed) { // which is no failure: a segment to go on in was waited for
		err = j.fail(err)
	}
	if b != nil {
		for _, w := range b.waits[told:] {
			w.waiter.Journaled(w.next, err)
		}
	}
	j.mu.Lock() // nothing comes after what is in here now
	rest := j.filling.waits
	j.filling = newBuffer()
	j.mu.Unlock()
	for _, w := range rest {
		w.waiter.Journaled(w.next, err)
	}
}

// write makes a buffer durable, and tells its waiters; told is how many were.
func (j *Journal) write(b *buffer) (told int, err error) {
	for from, end := sectorSize, len(b.bytes); from < end; {
		to := j.fit(b.bytes[:end], from)
		if to == from {
			if err := j.roll(frameSize(payloadLength(b.bytes[from:]))); err != nil {
				return told, err
			}
			continue
		}
		if err := j.writeGroup(b.bytes, from, to); err != nil {
			return told, err
		}
		for ; told < len(b.waits) && b.waits[told].end <= to; told++ {
			b.waits[told].waiter.Journaled(b.waits[told].next, nil)
		}
		j.pending.Add(int64(from - to))
		j.room.open()
		from = to
	}
	return told, nil
}

// fit says how far the frames from an index on go into the active segment.
func (j *Journal) fit(b []byte, from int) (to int) {
	room := int(j.active.room(j.at))
	for to = from; to < len(b); {
		size := int(frameSize(payloadLength(b[to:])))
		if to+size-from > room {
			return to
		}
		to += size
		if j.cfg.EachAlone {
			return to
		}
	}
	return to
}

// writeGroup writes frames with one call, and syncs. Before the first group of
// a segment goes its header: b has room for it before from, where nothing is, or
// frames that are durable by now.
func (j *Journal) writeGroup(b []byte, from, to int) error {
	s := j.active
	j.layOut(b, from, to)
	begin, at := from, s.offset(j.at)
	if j.at == s.base {
		begin, at = from-sectorSize, 0
		putSegmentHeader(b[begin:from], s)
	}
	if _, err := s.file.WriteAt(b[begin:to], at); err != nil {
		return fmt.Errorf("writing %s: %w", s.name(), err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", s.name(), err)
	}
	j.at = s.end
	j.synced.Store(j.at)
	j.space.soil()
	return nil
}

// layOut writes into the frames where they will be, and notes whose they are.
func (j *Journal) layOut(b []byte, from, to int) {
	s, released := j.active, j.released.Load()
	j.space.mu.Lock()
	defer j.space.mu.Unlock()
	key, next := keyOf(b[from:]), int64(-1)
	for off := from; off < to; {
		f := b[off:]
		end := off + int(frameSize(payloadLength(f)))
		if k := keyOf(f); k != key { // a run of one key costs one look into the map
			s.mark(key, next)
			key = k
		}
		next = nextOf(f)
		place(f, s, j.at+int64(off-from), j.at, released, end == to)
		off = end
	}
	s.mark(key, next)
	s.end = s.position(alignUp(s.offset(j.at)+int64(to-from), sectorSize))
}

// mark notes that a log must be synced up to next before s is released.
func (s *segment) mark(key Key, next int64) { s.marks[key] = max(s.marks[key], next) }

// writeSeal writes behind the last group that it was synced, unless that is
// said already, or there is no room. It is not synced itself, and the next group
// is written over it: it serves to tell damage in the last group from a torn
// write, for as long as nothing follows.
func (j *Journal) writeSeal() error {
	s, is := j.active, sealed{j.at, j.released.Load()}
	if is == j.seal || j.at == s.base || s.room(j.at) < headerSize {
		return nil
	}
	var b [headerSize]byte
	putSeal(b[:])
	place(b[:], s, j.at, j.at, is.released, true)
	if _, err := s.file.WriteAt(b[:], s.offset(j.at)); err != nil {
		return fmt.Errorf("writing %s: %w", s.name(), err)
	}
	j.seal = is
	return nil
}

// roll goes on in the next segment, which has room for a frame of so many bytes.
// It waits until there is one: without space on the disk, nothing is
// acknowledged, and nothing fails.
func (j *Journal) roll(need int64) error {
	if err := j.writeSeal(); err != nil {
		return err
	}
	s, err := j.nextSegment(need)
	if err != nil {
		return err
	}
	if old := j.active; j.at == old.base { // too small, and never written
		j.space.mu.Lock()
		j.space.used = j.space.used[:len(j.space.used)-1]
		j.space.mu.Unlock()
		if err := j.giveBack(old); err != nil {
			return err
		}
	}
	j.begin(s)
	return nil
}

// begin makes s the active segment.
func (j *Journal) begin(s *segment) {
	j.space.mu.Lock()
	if n := len(j.space.used); n > 0 {
		s.previous = j.space.used[n-1].generation
	}
	s.salt, s.base, s.end = j.salt, j.at, j.at
	j.space.used = append(j.space.used, s)
	j.active = s
	j.space.mu.Unlock()
	j.count()
}
