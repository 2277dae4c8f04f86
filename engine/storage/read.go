package storage

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
)

// Read appends whole batches to dst and returns it: first the one that holds
// the offset from, or the next if compaction left none, then those that follow
// it in the same segment, as long as their base offset is below upTo and all
// of them fit maxBytes. With minOne the first may be larger than maxBytes.
//
// Every batch is held against its CRC. It takes no lock. It returns dst unchanged at the end of the log;
// OFFSET_OUT_OF_RANGE below the start or above the end; CORRUPT_MESSAGE if the
// file does not have what it should; KAFKA_STORAGE_ERROR if it cannot be read.
func (l *Log) Read(dst []byte, from, upTo int64, maxBytes int, minOne bool) ([]byte, error) {
	for {
		generation, v := l.generation.Load(), l.view.Load()
		out, err := l.read(v, dst, from, upTo, maxBytes, minOne)
		if generation&1 == 0 && l.generation.Load() == generation {
			if errors.Is(err, errGone) {
				if l.changed(v) {
					continue
				}
				err = l.gone()
			}
			if err != nil {
				l.damage.report(l, err)
			}
			return out, err
		}
		// What was read may have been truncated and written over.
		l.changed(v)
	}
}

// gone is the answer of a log that was closed while it was read.
func (l *Log) gone() error {
	return fmt.Errorf("%w: the log %s is closed", kerr.KafkaStorageError, l.dir)
}

// changed waits until no change of the segments is under way, and reports
// whether they are others than those in v.
func (l *Log) changed(v *view) bool {
	l.mu.lock()
	defer l.mu.unlock()
	return l.view.Load() != v
}

func (l *Log) read(v *view, dst []byte, from, upTo int64, maxBytes int, minOne bool) ([]byte, error) {
	start, end := l.start.Load(), l.end.Load()
	if from < start || from > end {
		return dst, fmt.Errorf("%w: offset %d, the log has %d to %d", kerr.OffsetOutOfRange, from, start, end)
	}
	if l.failure.Load() != nil {
		upTo = min(upTo, l.synced.Load())
	}
	if from >= min(upTo, end) {
		return dst, nil
	}
	for i := v.find(from); i < len(v.segments); i++ {
		r := reader{segment: v.segments[i], upTo: upTo, maxBytes: maxBytes, minOne: minOne, dense: l.dense(), expect: -1}
		out, found, err := r.read(dst, max(from, v.segments[i].base), l.config.Load().IndexIntervalBytes)
		if err != nil || found {
			return out, err
		}
	}
	return dst, nil
}

// seekChunk is how many bytes are read at once while looking for a batch.
const seekChunk = 8 << 10

// reader reads batches of one segment.
type reader struct {
	segment  *segment
	upTo     int64
	maxBytes int
	minOne   bool
	dense    bool  // batches follow each other without gaps
	expect   int64 // offset at which the next batch must begin, -1: not known
}

// read appends batches from an offset on to dst. found is false if the segment
// ends before it.
func (r *reader) read(dst []byte, from int64, interval int) (_ []byte, found bool, err error) {
	s := r.segment
	size := s.size.Load()
	if from >= s.end.Load() || size == 0 {
		return dst, false, nil
	}
	h, err := s.open()
	if err != nil {
		return dst, false, readError(s, err)
	}
	defer func() {
		if closing := h.release(); closing != nil && err == nil {
			err = readError(s, closing)
		}
	}()
	pos, exact := s.hint(from)
	if exact && r.dense {
		r.expect = from
	}
	if !exact || pos >= size {
		x, err := s.loaded(h, interval)
		if err != nil {
			return dst, false, readError(s, err)
		}
		at, rel := x.position(from - s.base)
		if r.dense || rel > 0 {
			r.expect = s.base + rel
		}
		if pos, dst, err = r.seek(h, dst, at, size, from); err != nil {
			return dst, false, err
		}
	}
	if pos >= size { // the segment ends above from: some batch must hold it
		return dst, false, badFile(s, -1, fmt.Sprintf("no batch has the offset %d", from))
	}
	dst, err = r.take(h, dst, pos, size)
	return dst, true, err
}

// seek finds the first batch at or after pos that holds from or comes after
// it; size if there is none. It uses the room behind dst, and makes some.
func (r *reader) seek(h *handle, dst []byte, pos, size, from int64) (int64, []byte, error) {
	s := r.segment
	dst = slices.Grow(dst, seekChunk)
	for pos < size {
		buf := dst[len(dst) : len(dst)+int(min(seekChunk, size-pos))]
		if err := readFull(h.file, buf, pos); err != nil {
			return 0, dst, readError(s, err)
		}
		at := 0
		for at+batch.HeaderSize <= len(buf) {
			base, last, n, ok := batch.Extent(buf[at:])
			if !ok || last >= s.end.Load() || !r.mayBegin(base) {
				return 0, dst, badFile(s, pos+int64(at), "no batch starts there")
			}
			if last >= from {
				return pos + int64(at), dst, nil
			}
			r.passed(last)
			at += n
		}
		if at == 0 {
			return 0, dst, badFile(s, pos, "no batch starts there")
		}
		pos += int64(at)
	}
	return size, dst, nil
}

// mayBegin reports whether a batch may have a base offset: no CRC covers that.
func (r *reader) mayBegin(base int64) bool { return r.expect < 0 || base == r.expect }

// passed notes that a reader stepped over a batch.
func (r *reader) passed(last int64) {
	r.expect = -1
	if r.dense {
		r.expect = last + 1
	}
}

// dense reports whether batches follow each other without gaps.
func (l *Log) dense() bool { return !l.sparse.Load() && !l.config.Load().CleanupCompact }

// take appends the batches from pos on that are wanted.
func (r *reader) take(h *handle, dst []byte, pos, size int64) ([]byte, error) {
	s, n := r.segment, len(dst)
	want := int(min(int64(max(r.maxBytes, batch.HeaderSize)), size-pos))
	dst = slices.Grow(dst, want)
	buf := dst[n : n+want]
	if err := readFull(h.file, buf, pos); err != nil {
		return dst[:n], readError(s, err)
	}
	end, next := 0, s.base
	previous := 0 // where the batch before end starts
	for end+batch.HeaderSize <= want {
		base, last, bytes, ok := batch.Extent(buf[end:])
		if !ok || base < next || last >= s.end.Load() || !r.mayBegin(base) {
			// Of two that contradict each other, either may be wrong. What comes
			// before them is given now; the next read gets the error.
			if ok && base < next && !r.dense {
				end = previous
			}
			if end > 0 {
				return dst[:n+end], nil
			}
			return dst[:n], badFile(s, pos, "no batch starts there")
		}
		if base >= r.upTo || end+bytes > r.maxBytes && (end > 0 || !r.minOne) {
			break
		}
		if end+bytes > want {
			if end > 0 {
				break
			}
			var err error
			if dst, err = r.whole(h, dst[:n], bytes, pos, size); err != nil {
				return dst[:n], err
			}
		}
		if sound, err := r.sound(h, dst[n+end:n+end+bytes], pos, end == 0); err != nil {
			return dst[:n], err
		} else if !sound {
			break // the next read gets the error
		}
		previous, end = end, end+bytes
		next = last + 1
		r.passed(last)
	}
	if end > 0 {
		s.leaveHint(next, pos+int64(end))
	} else if size-pos < batch.HeaderSize {
		return dst[:n], badFile(s, pos, "no batch starts there")
	}
	return dst[:n+end], nil
}

// whole reads a batch that is larger than what was asked for behind dst, which it
// makes room in.
func (r *reader) whole(h *handle, dst []byte, bytes int, pos, size int64) ([]byte, error) {
	if pos+int64(bytes) > size {
		return dst, badFile(r.segment, pos, fmt.Sprintf("a batch of %d bytes in a file of %d", bytes, size))
	}
	n := len(dst)
	dst = slices.Grow(dst, bytes)
	if err := readFull(h.file, dst[n:n+bytes], pos); err != nil {
		return dst, readError(r.segment, err)
	}
	return dst, nil
}

// sound holds a batch against its CRC. The first of a read is read once more
// where it is wrong.
func (r *reader) sound(h *handle, b []byte, pos int64, first bool) (bool, error) {
	if batch.CheckCRC(b) {
		return true, nil
	}
	if !first {
		return false, nil
	}
	err := r.segment.readAgain(h, b, pos)
	return err == nil, err
}

// readAgain reads a batch whose CRC was wrong once more: what the memory or the
// bus flipped is not what the file has.
func (s *segment) readAgain(h *handle, b []byte, pos int64) error {
	wrong := batch.CRC(b)
	if err := readFull(h.file, b, pos); err != nil {
		return readError(s, err)
	}
	if !batch.CheckCRC(b) {
		return badFile(s, pos, fmt.Sprintf("the CRC of the batch is not %08x", wrong))
	}
	return nil
}

// readError gives an error of the disk the protocol's code, unless the segment
// was only deleted.
func readError(s *segment, err error) error {
	if errors.Is(err, errGone) {
		return err
	}
	if errors.Is(err, errBadBatch) {
		return badFile(s, -1, err.Error())
	}
	return storageError(fmt.Sprintf("reading segment %d", s.base), err)
}

// corruptFile is a segment's file that is not what was written to it.
type corruptFile struct {
	base, pos int64 // pos is -1 if it is not known
	reason    string
}

func badFile(s *segment, pos int64, reason string) error { return &corruptFile{s.base, pos, reason} }

func (c *corruptFile) Error() string {
	return fmt.Sprintf("%v: segment %d at byte %d: %s", kerr.CorruptMessage, c.base, c.pos, c.reason)
}

func (c *corruptFile) Unwrap() error { return kerr.CorruptMessage }

// damage remembers which damage its owner was told of.
type damage struct {
	tell func(Corruption)
	mu   sync.Mutex // never held over a call
	told map[spot]bool
}

// spot is a place in a log.
type spot struct{ base, pos int64 }

// damageTold bounds how many places are remembered; of a file that is damaged
// all over, no more need be told.
const damageTold = 64

// report tells of damage that a read has found, unless it was told before.
func (d *damage) report(l *Log, err error) {
	var c *corruptFile
	if !errors.As(err, &c) {
		return
	}
	d.mu.Lock()
	at := spot{c.base, c.pos}
	known := d.told[at] || len(d.told) >= damageTold
	if !known {
		d.told[at] = true
	}
	d.mu.Unlock()
	if known {
		return
	}
	l.logger.Error("a read found damage in the log", "dir", l.dir, "segment", c.base, "position", c.pos, "reason", c.reason)
	if d.tell != nil {
		d.tell(Corruption{Segment: c.base, Position: c.pos, Reason: c.reason})
	}
}

// forget makes damage be told again, of other files.
func (d *damage) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.told)
}
