package storage

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
)

// Read appends whole batches to dst and returns it: first the one that holds
// the offset from, or the next if compaction left none, then those that follow
// it in the same segment, as long as their base offset is below upTo and all
// of them fit maxBytes. With minOne the first may be larger than maxBytes.
//
// It takes no lock. It returns dst unchanged at the end of the log;
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
		r := reader{segment: v.segments[i], upTo: upTo, maxBytes: maxBytes, minOne: minOne}
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
	if !exact || pos >= size {
		x, err := s.loaded(h, interval)
		if err != nil {
			return dst, false, readError(s, err)
		}
		if pos, dst, err = s.seek(h, dst, x.position(from-s.base), size, from); err != nil {
			return dst, false, err
		}
	}
	if pos >= size {
		return dst, false, nil
	}
	dst, err = r.take(h, dst, pos, size)
	return dst, true, err
}

// seek finds the first batch at or after pos that holds from or comes after
// it; size if there is none. It uses the room behind dst, and makes some.
func (s *segment) seek(h *handle, dst []byte, pos, size, from int64) (int64, []byte, error) {
	dst = slices.Grow(dst, seekChunk)
	for pos < size {
		buf := dst[len(dst) : len(dst)+int(min(seekChunk, size-pos))]
		if err := readFull(h.file, buf, pos); err != nil {
			return 0, dst, readError(s, err)
		}
		at := 0
		for at+batch.HeaderSize <= len(buf) {
			_, last, n, ok := batch.Extent(buf[at:])
			if !ok || last >= s.end.Load() {
				return 0, dst, badFile(s, pos+int64(at))
			}
			if last >= from {
				return pos + int64(at), dst, nil
			}
			at += n
		}
		if at == 0 {
			return 0, dst, badFile(s, pos)
		}
		pos += int64(at)
	}
	return size, dst, nil
}

// take appends the batches from pos on that are wanted.
func (r *reader) take(h *handle, dst []byte, pos, size int64) ([]byte, error) {
	s, n := r.segment, len(dst)
	want := int(min(int64(max(r.maxBytes, batch.HeaderSize)), size-pos))
	dst = slices.Grow(dst, want)
	buf := dst[n : n+want]
	if err := readFull(h.file, buf, pos); err != nil {
		return dst[:n], readError(s, err)
	}
	end, next := 0, int64(-1)
	previous := 0 // where the batch before end starts
	for end+batch.HeaderSize <= want {
		base, last, bytes, ok := batch.Extent(buf[end:])
		if !ok || base < next || last >= s.end.Load() {
			// Of two that contradict each other, either may be wrong. What comes
			// before them is given now; the next read gets the error.
			if ok && base < next {
				end = previous
			}
			if end > 0 {
				return dst[:n+end], nil
			}
			return dst[:n], badFile(s, pos)
		}
		if base >= r.upTo || end+bytes > r.maxBytes && (end > 0 || !r.minOne) {
			break
		}
		if end+bytes > want {
			if end > 0 || pos+int64(bytes) > size {
				break
			}
			dst = slices.Grow(dst[:n], bytes)
			if err := readFull(h.file, dst[n:n+bytes], pos); err != nil {
				return dst[:n], readError(s, err)
			}
		}
		previous, end = end, end+bytes
		next = last + 1
	}
	if end > 0 {
		s.leaveHint(next, pos+int64(end))
	} else if size-pos < batch.HeaderSize {
		return dst[:n], badFile(s, pos)
	}
	return dst[:n+end], nil
}

// readError gives an error of the disk the protocol's code, unless the segment
// was only deleted.
func readError(s *segment, err error) error {
	if errors.Is(err, errGone) {
		return err
	}
	if errors.Is(err, errBadBatch) {
		return fmt.Errorf("%w: segment %d: %w", kerr.CorruptMessage, s.base, err)
	}
	return storageError(fmt.Sprintf("reading segment %d", s.base), err)
}

// badFile is a file that has no batch where one must start.
func badFile(s *segment, pos int64) error {
	return fmt.Errorf("%w: segment %d has no batch at byte %d", kerr.CorruptMessage, s.base, pos)
}
