package group

import "encoding/binary"

// reader reads Kafka's primitive types from bytes that may be anything. After
// the first fault it gives zero values; err tells.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) err() error {
	if r.bad {
		return errShort
	}
	return nil
}

// span takes the next n bytes.
func (r *reader) span(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) int16() int16 {
	if b := r.span(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.span(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.span(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) string() string {
	n := int(r.int16())
	if n < 0 {
		r.bad = true
	}
	return string(r.span(n))
}

func (r *reader) nullableString() *string {
	n := int(r.int16())
	if n == -1 {
		return nil
	}
	s := string(r.span(n))
	return &s
}

func (r *reader) bytes() []byte {
	n := r.int32()
	if n < 0 {
		r.bad = true
	}
	return append([]byte{}, r.span(int(n))...)
}

// arrayLen reads an array's length. It refuses one that cannot be, given that
// each element takes at least elem bytes.
func (r *reader) arrayLen(elem int) int {
	n := r.int32()
	if n < 0 || int(n) > len(r.b)/elem {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) uvarint() int {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || v > 1<<31-1 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

// compact reads a length of the flexible encoding: -1 for null.
func (r *reader) compact() int { return r.uvarint() - 1 }

func (r *reader) compactString() string {
	n := r.compact()
	if n < 0 {
		r.bad = true
	}
	return string(r.span(n))
}

func (r *reader) compactNullableString() *string {
	n := r.compact()
	if n == -1 {
		return nil
	}
	s := string(r.span(n))
	return &s
}

func (r *reader) compactBytes() []byte {
	n := r.compact()
	if n < 0 {
		r.bad = true
	}
	return append([]byte{}, r.span(n)...)
}

func (r *reader) compactArrayLen(elem int) int {
	n := r.compact()
	if n < 0 || n > len(r.b)/elem {
		r.bad, r.b = true, nil
		return 0
	}
	return n
}

// tags reads the tagged fields, giving each to fn.
func (r *reader) tags(fn func(tag int, value []byte)) {
	n := r.uvarint()
	for i := 0; i < n && !r.bad; i++ {
		tag := r.uvarint()
		if value := r.span(r.uvarint()); fn != nil && value != nil {
			fn(tag, value)
		}
	}
}
