package metadata

import (
	"encoding/binary"
	"errors"
	"math"
)

var errRange = errors.New("a number is out of its range")

// reader reads the fields of a record. After the first error it returns zero
// values and keeps the error.
type reader struct {
	b       []byte
	version byte // of the record
	err     error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail(errShort)
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) bool() bool {
	b := r.byte()
	if b > 1 {
		r.fail(errRange)
	}
	return b == 1
}

func (r *reader) cause() Cause {
	c := Cause(r.byte())
	if c >= causes {
		r.fail(errRange)
	}
	return c
}

func (r *reader) int64() int64 {
	v, w := binary.Varint(r.b)
	if w <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[w:]
	return v
}

func (r *reader) int32() int32 {
	v := r.int64()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail(errRange)
		return 0
	}
	return int32(v)
}

func (r *reader) uvarint() uint64 {
	v, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[w:]
	return v
}

func (r *reader) string() string { return string(r.take(r.uvarint())) }

func (r *reader) optional() *string {
	if !r.bool() {
		return nil
	}
	s := r.string()
	return &s
}

func (r *reader) uuid() (u UUID) {
	copy(u[:], r.take(uint64(len(u))))
	return u
}

// count reads the length of a list whose elements take at least size bytes,
// so that a length that lies allocates nothing.
func (r *reader) count(n uint64, size int) int {
	if n > uint64(len(r.b)/size) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

func (r *reader) int32s() []int32 {
	n := r.uvarint()
	if n == 0 {
		return nil
	}
	out := make([]int32, r.count(n-1, 1))
	for i := range out {
		out[i] = r.int32()
	}
	return out
}

func (r *reader) listeners() []Listener {
	n := r.count(r.uvarint(), 3)
	if n == 0 {
		return nil
	}
	out := make([]Listener, n)
	for i := range out {
		out[i] = Listener{Name: r.string(), Host: r.string(), Port: r.int32()}
	}
	return out
}
