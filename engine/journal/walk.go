package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/logarium/logarium/engine/vfs"
)

// windowSize is how much of a file is read at once.
const windowSize = 256 << 10

// window reads a file front to back through one buffer.
type window struct {
	file vfs.File
	size int64
	at   int64 // of buf in the file
	buf  []byte
}

// bytes returns n bytes of the file, fewer at its end, valid until the next call.
func (w *window) bytes(off, n int64) ([]byte, error) {
	n = min(n, w.size-off)
	if n <= 0 {
		return nil, nil
	}
	if off >= w.at && off+n <= w.at+int64(len(w.buf)) {
		return w.buf[off-w.at:][:n], nil
	}
	want := min(max(n, windowSize), w.size-off)
	if int64(cap(w.buf)) < want {
		w.buf = make([]byte, want)
	}
	w.buf = w.buf[:want]
	got, err := w.file.ReadAt(w.buf, off)
	if int64(got) < want && !errors.Is(err, io.EOF) {
		w.buf = w.buf[:0]
		return nil, err // never nil for a short read, by io.ReaderAt
	}
	w.at, w.buf = off, w.buf[:got]
	return w.buf[:min(n, int64(got))], nil
}

// Damage is a place in the journal that had been synced and cannot be read.
type Damage struct {
	File     string
	Position int64 // in the file
	Bytes    int64
	// Entry says whose batches are lost there, without them, if that can be told.
	Entry *Entry
}

// Error describes the damage.
func (d Damage) Error() string {
	text := fmt.Sprintf("%s is damaged at byte %d, %d bytes cannot be read", d.File, d.Position, d.Bytes)
	if e := d.Entry; e != nil {
		text += fmt.Sprintf("; they hold the offsets %d to %d of partition %d of topic %x", e.First, e.Next-1, e.Partition, e.Topic)
	}
	return text
}

// walker reads the frames of one segment. It tells bytes that were never synced,
// where the journal just ends, from synced ones that are damaged: each frame
// says how far the journal was synced when it was written, so that whatever
// lies below the largest such position had been synced, and so had all of a
// segment that has a successor.
type walker struct {
	seg      *segment
	win      window
	off      int64 // of the next frame
	limit    int64 // where the entries end, if that is known, else the length of the file
	endKnown bool

	evidence int64 // the largest synced position of any frame; -1: not looked for yet
	released int64 // the largest one seen
	synced   int64
	torn     int64 // bytes of an unfinished write behind the end
	ended    bool
	damage   *Damage
	frame    frame
	payload  []byte
}

// newWalker reads a segment up to the position end, or as far as it goes if end
// is negative.
func newWalker(s *segment, end int64) *walker {
	w := &walker{seg: s, win: window{file: s.file, size: s.size}, off: sectorSize, limit: s.size, evidence: -1}
	if end >= 0 {
		w.limit, w.endKnown = min(s.offset(end), s.size), true
	}
	return w
}

// next goes to the next entry, and reports false at the end. Damage on the way
// is in w.damage, which the caller takes: then there is no entry.
func (w *walker) next() (bool, error) {
	if w.ended || w.off+headerSize > w.limit {
		return false, nil
	}
	f, ok, err := w.header(w.off)
	if err != nil {
		return false, err
	}
	at := w.off
	switch {
	case !ok:
		return w.broken(at, at+frameAlign, nil)
	case !f.isEntry():
		w.note(&f)
		return w.broken(at, at+sectorSize, nil)
	}
	behind := at + f.size()
	if f.isLast() {
		behind = alignUp(behind, sectorSize)
	}
	body, err := w.win.bytes(at+headerSize, int64(f.length))
	if err != nil {
		return false, err
	}
	if crc32.Checksum(body, castagnoli) != f.payloadCRC {
		return w.broken(at, behind, &f)
	}
	w.note(&f)
	w.off, w.frame, w.payload = behind, f, body
	return true, nil
}

// end is the position behind the last frame, once next has reported false.
func (w *walker) end() int64 { return w.seg.position(min(w.off, w.limit)) }

// note takes what a valid frame tells.
func (w *walker) note(f *frame) {
	w.released = max(w.released, f.released)
	w.synced = max(w.synced, f.synced)
}

// header reads the frame at an offset; ok says that it belongs there.
func (w *walker) header(off int64) (f frame, ok bool, err error) {
	b, err := w.win.bytes(off, headerSize)
	if err != nil {
		return frame{}, false, err
	}
	f, ok = parseFrame(b)
	if !ok || f.generation != w.seg.generation || f.salt != w.seg.salt || f.position != w.seg.position(off) {
		return frame{}, false, nil
	}
	kind := f.kind &^ lastOfGroup
	if kind != kindEntry && kind != kindSeal || off+headerSize+int64(f.length) > w.win.size {
		return frame{}, false, nil
	}
	return f, true, nil
}

// broken decides what it means that no entry can be read at an offset: the end,
// or damage, after which there may be more from behind on. f is the frame if its
// header could be read.
func (w *walker) broken(at, behind int64, f *frame) (bool, error) {
	resume, lastEnd, err := w.search(behind)
	if err != nil {
		return false, err
	}
	if !w.endKnown && w.evidence <= w.seg.position(at) {
		w.torn = max(lastEnd-at, 0)
		if f != nil {
			w.torn = max(w.torn, behind-at)
		}
		w.ended = true
		return false, nil
	}
	if resume < 0 || resume > w.limit {
		resume = w.limit
		if !w.endKnown { // the rest is what was never written
			resume = max(w.seg.offset(w.evidence), at+frameAlign)
		}
	}
	w.damage = &Damage{File: w.seg.name(), Position: at, Bytes: resume - at}
	if f != nil {
		w.damage.Entry = &Entry{Key: f.key, Epoch: f.epoch, First: f.first, Next: f.next}
	}
	w.off = resume
	return true, nil
}

// search looks for valid frames from an offset on: where the first entry is (-1:
// nowhere), where the last frame ends, and, once for each segment, what the
// largest synced position is.
func (w *walker) search(from int64) (first, lastEnd int64, err error) {
	first, lastEnd = -1, -1
	all := w.evidence < 0
	if all {
		w.evidence = w.synced
	}
	for off := alignUp(from, frameAlign); off+headerSize <= w.win.size; off += frameAlign {
		magic, err := w.win.bytes(off, 4)
		if err != nil {
			return -1, -1, err
		}
		if order.Uint32(magic) != frameMagic {
			continue
		}
		f, ok, err := w.header(off)
		if err != nil {
			return -1, -1, err
		}
		if !ok {
			continue
		}
		w.evidence = max(w.evidence, f.synced)
		lastEnd = off + f.size()
		if first < 0 && f.isEntry() {
			first = off
			if !all {
				break
			}
		}
	}
	return first, lastEnd, nil
}
