package broker

import "encoding/binary"

// maxTags bounds the tagged fields of one structure. Clients send a few; a
// count that lies would keep kmsg's decoder busy for minutes.
const maxTags = 64

// scan walks over a request's bytes without taking memory, to find out before
// kmsg decodes them that every length and count in it is true.
type scan struct {
	b        []byte
	version  int16
	flexible bool
	elements int // what arrays may still hold
}

func (s *scan) skip(n int) bool {
	if n < 0 || n > len(s.b) {
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

// length reads the length of a string (wide: of bytes or an array); -1 is null.
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

// tags walks over a section of tagged fields.
func (s *scan) tags() bool {
	n, ok := s.uvarint()
	if !ok || n > maxTags {
		return false
	}
	for range n {
		if _, ok := s.uvarint(); !ok {
			return false
		}
		size, ok := s.uvarint()
		if !ok || !s.skip(int(size)) {
			return false
		}
	}
	return true
}
