package journal

import "hash/crc32"

const (
	// bufferKept is the largest memory that a buffer keeps when it is little used.
	bufferKept = 1 << 20
	// bufferPatience is how many times in a row it must have been little used.
	bufferPatience = 4096
)

// buffer collects what one sync will cover: frames whose place is not known yet,
// behind room for the header of a segment.
type buffer struct {
	bytes []byte
	waits []wait
	spare int // how many times in a row most of it was not needed
}

// wait is who is told once the frames up to end, in the buffer, are durable.
type wait struct {
	waiter Waiter
	next   int64
	end    int
}

func newBuffer() *buffer { return &buffer{bytes: make([]byte, sectorSize, 8<<10)} }

func (b *buffer) empty() bool { return len(b.bytes) == sectorSize }

// add copies an entry. With merge, a waiter that was the last one too is told
// once for both.
func (b *buffer) add(e *Entry, sum uint32, w Waiter, merge bool) {
	at := len(b.bytes)
	size := int(frameSize(len(e.Batches)))
	b.grow(size)
	f := b.bytes[at : at+size]
	putEntry(f, e, sum)
	n := headerSize + copy(f[headerSize:], e.Batches)
	clear(f[n:])
	if last := len(b.waits) - 1; merge && last >= 0 && b.waits[last].waiter == w {
		b.waits[last].next, b.waits[last].end = e.Next, at+size
		return
	}
	b.waits = append(b.waits, wait{w, e.Next, at + size})
}

// grow makes the buffer n bytes longer.
func (b *buffer) grow(n int) {
	if need := len(b.bytes) + n; need > cap(b.bytes) {
		grown := make([]byte, len(b.bytes), max(need, 2*cap(b.bytes)))
		copy(grown, b.bytes)
		b.bytes = grown
	}
	b.bytes = b.bytes[:len(b.bytes)+n]
}

// reset empties the buffer. Memory that only a burst needed is given back.
func (b *buffer) reset() {
	if b.spare++; cap(b.bytes) <= bufferKept || len(b.bytes) > cap(b.bytes)/8 {
		b.spare = 0
	}
	if b.spare > bufferPatience {
		b.bytes, b.spare = make([]byte, sectorSize, bufferKept), 0
	}
	b.bytes = b.bytes[:sectorSize]
	clear(b.waits)
	b.waits = b.waits[:0]
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
