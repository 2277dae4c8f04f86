package journal

import (
	"errors"
	"fmt"
)

// marks returns how far each log must be synced before all entries up to the
// position through can be released.
func (j *Journal) marks() (marks []Mark, through int64) {
	j.space.mu.Lock()
	defer j.space.mu.Unlock()
	all := map[Key]int64{}
	for _, s := range j.space.used {
		for k, next := range s.marks {
			all[k] = max(all[k], next)
		}
		through = s.end
	}
	marks = make([]Mark, 0, len(all))
	for k, next := range all {
		marks = append(marks, Mark{k, next})
	}
	return marks, through
}

// release lets go of the segments of which all entries are in synced logs now:
// those that marks cover, but for the kept ones.
func (j *Journal) release(marks []Mark, kept *Unsynced, through int64) error {
	synced := make(map[Key]int64, len(marks))
	for _, m := range marks {
		synced[m.Key] = m.Next
	}
	if kept != nil {
		for _, m := range kept.Marks {
			delete(synced, m.Key)
		}
	}
	var free []*segment
	j.space.mu.Lock()
	needed := through // everything below has been released
	inUse := j.space.used[:0:0]
	for i, s := range j.space.used {
		active := i == len(j.space.used)-1
		for k, next := range s.marks {
			if through, ok := synced[k]; ok && next <= through {
				delete(s.marks, k)
			}
		}
		// A segment that is read just now goes at a later time.
		if len(s.marks) == 0 && s != j.active && j.space.readers == 0 {
			free = append(free, s)
			continue
		}
		s.pinned = !active && kept != nil && s.end <= through
		if len(s.marks) > 0 && s.base < needed {
			needed = s.keepFrom(kept, through)
		}
		inUse = append(inUse, s)
	}
	j.space.used = inUse
	j.space.mu.Unlock()
	j.released.Store(max(j.released.Load(), needed))
	err := j.recycle(free)
	j.count()
	j.wake() // to say so in a seal
	return err
}

// keepFrom is the position from which the entries of a segment are needed that
// has some: what came after the marks were taken, or all if any is kept.
func (s *segment) keepFrom(kept *Unsynced, through int64) int64 {
	if kept == nil && s.base < through && through <= s.end {
		return through
	}
	return s.base
}

// recycle turns segments into spares.
func (j *Journal) recycle(free []*segment) error {
	var errs []error
	for _, s := range free {
		j.space.mu.Lock()
		keep := s.size >= j.space.size && s.size <= j.cfg.SegmentBytes
		j.space.mu.Unlock()
		to := spare{spareName(s.generation), s.size}
		errs = append(errs, s.file.Close())
		switch {
		case s.damaged:
			errs = append(errs, j.cfg.FS.Rename(s.name(), s.name()+badSuffix))
			continue
		case !keep:
			errs = append(errs, j.cfg.FS.Remove(s.name()))
			continue
		}
		if err := j.cfg.FS.Rename(s.name(), to.name); err != nil {
			errs = append(errs, err)
			to.name = s.name()
		}
		j.space.mu.Lock()
		j.space.spares = append(j.space.spares, to)
		j.space.mu.Unlock()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("releasing segments of the journal: %w", err)
	}
	return nil
}

// sparesKept is how many bytes of spares a clean close leaves, for a fast start.
const sparesKept = 64 << 20

// releaseAll is for a clean close: no entry is needed any more.
func (j *Journal) releaseAll() error {
	free := j.space.used
	j.space.used = nil
	err := j.recycle(free)
	left := int64(0)
	for _, s := range j.space.spares {
		if left += s.size; left > sparesKept {
			err = errors.Join(err, j.cfg.FS.Remove(s.name))
		}
	}
	if err = errors.Join(err, j.cfg.FS.SyncDir(".")); err != nil {
		return fmt.Errorf("releasing the journal: %w", err)
	}
	return nil
}

// Recover calls fn for all entries that are durable, in the order in which they
// were appended, and keeps all segments meanwhile. It may be called before Start,
// and later for a broker that was killed and starts again. Batches is valid
// during the call only.
func (j *Journal) Recover(fn func(Entry) error) error {
	j.space.mu.Lock()
	j.space.readers++
	synced, released := j.synced.Load(), j.released.Load()
	walkers := make([]*walker, 0, len(j.space.used))
	for _, s := range j.space.used {
		if end := min(s.end, synced); end > max(s.base, released) {
			walkers = append(walkers, newWalker(s, end))
		}
	}
	j.space.mu.Unlock()
	defer j.readDone()
	for _, w := range walkers {
		if err := each(w, released, fn); err != nil {
			return err
		}
	}
	return nil
}

// each calls fn for the entries of a segment from a position on. Damage was told
// when the journal was opened.
func each(w *walker, from int64, fn func(Entry) error) error {
	for {
		ok, err := w.next()
		if err != nil {
			return fmt.Errorf("reading the journal: %w", err)
		}
		if !ok {
			return nil
		}
		if w.damage != nil {
			w.damage = nil
			continue
		}
		f := &w.frame
		if f.position < from {
			continue
		}
		if err := fn(Entry{Key: f.key, Epoch: f.epoch, First: f.first, Next: f.next, Batches: w.payload}); err != nil {
			return err
		}
	}
}

func (j *Journal) readDone() {
	j.space.mu.Lock()
	j.space.readers--
	last := j.space.readers == 0
	j.space.mu.Unlock()
	if last {
		j.space.soil()
		j.count()
	}
}
