package journal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// retryAfter is how long to wait before a failed try to make room is repeated.
const retryAfter = time.Second

// space is the files of the journal, and who works on them.
type space struct {
	mu      sync.Mutex // for what follows and for the segments' guarded fields; never held over a file
	used    []*segment // oldest first; the last one is active
	spares  []spare
	last    uint64 // the largest generation given to any file
	size    int64  // of the segment made last
	readers int    // while there are any, no segment is released

	ready  chan *segment // gives the next segment; unbuffered: one is made ahead
	need   chan int64    // asks for one that is larger than those are
	none   chan struct{} // closed when there will be no more of them
	urgent chan struct{} // asks for room
	dirt   chan struct{} // tells that there is something to release some time
	dirty  atomic.Bool
	turn   chan struct{} // held during a checkpoint
}

func (sp *space) init() {
	sp.ready, sp.need, sp.none = make(chan *segment), make(chan int64, 1), make(chan struct{})
	sp.urgent, sp.dirt, sp.turn = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
}

// soil notes that there are entries which a later checkpoint can release.
func (sp *space) soil() {
	if sp.dirty.Load() || sp.dirty.Swap(true) {
		return
	}
	select {
	case sp.dirt <- struct{}{}:
	default:
	}
}

// count sums up what is in use, and asks for room where that is a quarter of all: the
// less is in use, the less must be prewritten, and read after a crash.
func (j *Journal) count() {
	j.space.mu.Lock()
	inUse := int64(0)
	for _, s := range j.space.used {
		if !s.pinned {
			inUse += s.size
		}
	}
	j.space.mu.Unlock()
	j.inUse.Store(inUse)
	j.room.open()
	if inUse > j.cfg.MaxBytes/4 {
		select {
		case j.space.urgent <- struct{}{}:
		default:
		}
	}
}

// nextSegment takes the segment that was made ready, or has a larger one made.
func (j *Journal) nextSegment(need int64) (*segment, error) {
	for {
		select {
		case s := <-j.space.ready:
			if s.size-sectorSize >= need {
				return s, nil
			}
			if err := j.giveBack(s); err != nil {
				return nil, err
			}
			select {
			case j.space.need <- need:
			case <-j.space.none:
				return nil, ErrClosed
			}
		case <-j.space.none:
			return nil, ErrClosed
		}
	}
}

// giveBack makes a spare of a segment that was not written.
func (j *Journal) giveBack(s *segment) error {
	if err := s.file.Close(); err != nil {
		return err
	}
	j.space.mu.Lock()
	defer j.space.mu.Unlock()
	j.space.spares = append(j.space.spares, spare{s.name(), s.size})
	return nil
}

// keepReady always has the next segment ready, until the loop has ended.
func (j *Journal) keepReady() {
	defer close(j.space.none)
	for {
		need := int64(0)
		select {
		case need = <-j.space.need:
		default:
		}
		s, err := j.prepare(need)
		for err != nil {
			j.cfg.Logger.Warn("the journal's next segment cannot be made; it is tried again", "err", err)
			select {
			case <-time.After(retryAfter):
			case <-j.ctx.Done(): // what still waits for a segment waits in vain
				return
			}
			s, err = j.prepare(need)
		}
		select {
		case j.space.ready <- s:
		case <-j.ended:
			if err := j.giveBack(s); err != nil {
				j.cfg.Logger.Warn("closing an unused segment of the journal failed", "err", err)
			}
			return
		}
	}
}

// prepare returns a segment with room for a frame of so many bytes, durably
// named: a spare one, or a new one twice as large as the one before.
func (j *Journal) prepare(need int64) (*segment, error) {
	j.space.mu.Lock()
	from := j.space.pick(need + sectorSize)
	j.space.last++
	s := &segment{generation: j.space.last, marks: map[Key]int64{}}
	size := min(max(firstSegment, 2*j.space.size), j.cfg.SegmentBytes)
	j.space.mu.Unlock()
	var err error
	if from != nil {
		s.size = from.size
		if err = j.cfg.FS.Rename(from.name, s.name()); err != nil {
			j.space.mu.Lock()
			j.space.spares = append(j.space.spares, *from)
			j.space.mu.Unlock()
			return nil, err
		}
	} else {
		s.size = max(size, alignUp(need, sectorSize)+sectorSize)
		if err = prewrite(j.cfg.FS, s.name(), s.size); err != nil {
			return nil, err
		}
	}
	if err = j.cfg.FS.SyncDir("."); err == nil {
		s.file, err = j.cfg.FS.Open(s.name())
	}
	j.space.mu.Lock()
	defer j.space.mu.Unlock()
	if err != nil {
		j.space.spares = append(j.space.spares, spare{s.name(), s.size})
		return nil, err
	}
	j.space.size = min(s.size, j.cfg.SegmentBytes)
	return s, nil
}

// pick takes the largest spare if it has at least so many bytes; mu is held.
func (sp *space) pick(need int64) *spare {
	best := -1
	for i, s := range sp.spares {
		if s.size >= max(need, 2*sectorSize) && (best < 0 || s.size > sp.spares[best].size) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	s := sp.spares[best]
	sp.spares = append(sp.spares[:best], sp.spares[best+1:]...)
	return &s
}

// keepRoom has logs synced and segments released: at once where room is short,
// otherwise some time after there was something new.
func (j *Journal) keepRoom() {
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	pause.Stop()
	running := false
	for {
		select {
		case <-j.ctx.Done():
			return
		case <-j.space.dirt:
			if !running {
				running = true
				pause.Reset(j.cfg.CheckpointInterval)
			}
			continue
		case <-j.space.urgent:
		case <-pause.C:
			running = false
		}
		if err := j.Checkpoint(j.ctx); err != nil && j.ctx.Err() == nil {
			j.cfg.Logger.Warn("the journal cannot be released yet: logs could not be synced", "err", err)
			running = true
			pause.Reset(retryAfter)
		}
	}
}

// Checkpoint has all logs synced that have entries here, and releases the
// entries.
func (j *Journal) Checkpoint(ctx context.Context) error {
	if j.cfg.Checkpoint == nil {
		return nil
	}
	select {
	case j.space.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-j.space.turn }()
	j.space.dirty.Store(false)
	marks, through := j.marks()
	var kept *Unsynced
	if len(marks) > 0 {
		if err := j.cfg.Checkpoint(ctx, marks); err != nil && !errors.As(err, &kept) {
			j.space.soil()
			return err
		}
	}
	return j.release(marks, kept, through)
}
