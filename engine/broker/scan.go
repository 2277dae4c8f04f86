package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxTags bounds the tagged fields of one structure. Clients send a few.
const maxTags = 64

// scan walks over a request's bytes and takes no memory, to find out that every
// length and count in it is true before kmsg decodes them. kmsg would take a
// count's word for it: it makes an array of as many elements as there are bytes
// left, up to 150 bytes for each, and loops over as many tags as a count says,
// up to four billion.
type scan struct {
	b        []byte
	version  int16
	flexible bool
	elements int // what arrays may still hold
	why      error
}

var errCut = errors.New("a length or count says more than there is")

// check walks over body, which must hold at least the fields.
func (s *scan) check(fields []fieldLayout) error {
	if s.structure(fields) {
		return nil
	}
	if s.why == nil {
		return errCut
	}
	return s.why
}

func (s *scan) structure(fields []fieldLayout) bool {
	for i := range fields {
		f := &fields[i]
		if f.tag >= 0 || s.version < f.from || s.version > f.to {
			continue
		}
		if !s.value(&f.layout) {
			return false
		}
	}
	return !s.flexible || s.tags(fields)
}

func (s *scan) value(l *layout) bool {
	switch l.kind {
	case fixedKind:
		return s.skip(l.width)
	case stringKind, bytesKind:
		n, ok := s.length(l.kind == bytesKind)
		return ok && s.skip(max(n, 0))
	case arrayKind:
		return s.array(l.elem)
	case maybeKind:
		if len(s.b) == 0 {
			return false
		}
		null := s.b[0] == 0xff
		s.b = s.b[1:]
		return null || s.structure(l.fields)
	}
	return s.structure(l.fields)
}

func (s *scan) array(elem *layout) bool {
	n, ok := s.length(true)
	if !ok || n > len(s.b) {
		return false
	}
	if s.elements -= max(n, 0); s.elements < 0 {
		s.why = errors.New("more elements in all its arrays than allowed")
		return false
	}
	if elem.kind == fixedKind {
		return n < 0 || s.skip(n*elem.width)
	}
	for range n {
		if !s.value(elem) {
			return false
		}
	}
	return true
}

// tags walks over a section of tagged fields, and into those that it knows.
func (s *scan) tags(fields []fieldLayout) bool {
	n, ok := s.uvarint()
	if !ok {
		return false
	}
	if n > maxTags {
		s.why = fmt.Errorf("%d tagged fields in one structure, allowed are %d", n, maxTags)
		return false
	}
	for range n {
		tag, ok := s.uvarint()
		if !ok {
			return false
		}
		size, ok := s.uvarint()
		if !ok || uint64(size) > uint64(len(s.b)) {
			return false
		}
		rest := s.b[size:]
		for i := range fields {
			f := &fields[i]
			if f.tag != int(tag) || s.version < f.from || s.version > f.to {
				continue
			}
			s.b = s.b[:size]
			if !s.value(&f.layout) {
				return false
			}
		}
		s.b = rest
	}
	return true
}

func (s *scan) skip(n int) bool {
	if n > len(s.b) {
		return false
	}
	s.b = s.b[n:]
	return true
}

// uvarint reads at most five bytes, as kmsg does.
func (s *scan) uvarint() (uint32, bool) {
	var v uint32
	for i := range min(5, len(s.b)) {
		c := s.b[i]
		if i == 4 && c > 0x0f {
			return 0, false
		}
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			s.b = s.b[i+1:]
			return v, true
		}
	}
	return 0, false
}

// length reads the length of a string, or of bytes or an array (wide); -1 is
// null.
func (s *scan) length(wide bool) (n int, ok bool) {
	switch {
	case s.flexible:
		v, ok := s.uvarint()
		return int(v) - 1, ok
	case wide:
		if len(s.b) < 4 {
			return 0, false
		}
		n = int(int32(binary.BigEndian.Uint32(s.b)))
		s.b = s.b[4:]
	default:
		if len(s.b) < 2 {
			return 0, false
		}
		n = int(int16(binary.BigEndian.Uint16(s.b)))
		s.b = s.b[2:]
	}
	return n, n >= -1
}
