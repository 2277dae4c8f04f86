package broker

import (
	"math/bits"
	"sync"
)

// buffer is memory that is used again. Its capacity is a power of two.
type buffer struct{ b []byte }

const (
	minClass = 10 // 1 KiB
	maxClass = 24 // 16 MiB; larger ones are left to the garbage collector
)

var buffers [maxClass + 1]sync.Pool

// getBuffer returns an empty buffer of at least n bytes.
func getBuffer(n int) *buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if class > maxClass {
		return &buffer{b: make([]byte, 0, n)}
	}
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{b: make([]byte, 0, 1<<class)}
}

// putBuffer gives a buffer back; nothing may use its memory any more. A buffer
// that was grown by append is filed by what it can hold now.
func putBuffer(b *buffer) {
	class := bits.Len(uint(cap(b.b))) - 1
	if class < minClass || class > maxClass {
		return
	}
	b.b = b.b[:0]
	buffers[class].Put(b)
}
