package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// The sizes of docs/format/journal.md.
const (
	// sectorSize is what a disk writes whole or not at all. Every group begins
	// on a new one, so that no sector with synced bytes is written again.
	sectorSize = 512
	// headerSize is the header of a frame.
	headerSize = 104
	// frameAlign is where a frame may begin within a group.
	frameAlign = 8

	frameMagic   = 0x314a464c // "LFJ1"
	segmentMagic = 0x314a534c // "LSJ1"
	version      = 1
)

// The kinds of frames. lastOfGroup is set on the last one of each group.
const (
	kindEntry   uint32 = 1
	kindSeal    uint32 = 2
	lastOfGroup uint32 = 1 << 31
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	order      = binary.LittleEndian
)

// frame is the header of a frame.
type frame struct {
	generation, salt uint64 // of the segment
	position         int64  // of the frame in the journal
	synced           int64  // the position below which everything was synced when this was written
	released         int64  // the position below which every entry was in a synced log by then
	length           uint32 // of the payload
	payloadCRC       uint32
	kind             uint32 // with lastOfGroup
	epoch            int32
	key              Key
	first, next      int64
}

func (f *frame) isEntry() bool { return f.kind&^lastOfGroup == kindEntry }
func (f *frame) isLast() bool  { return f.kind&lastOfGroup != 0 }

// size is what a frame with its payload takes, up to where the next may begin.
func (f *frame) size() int64 { return frameSize(int(f.length)) }

func frameSize(payload int) int64 {
	return alignUp(int64(headerSize)+int64(payload), frameAlign)
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }

// putEntry writes what is known of a frame when it is appended: all but where
// it will be. place adds that.
func putEntry(b []byte, e *Entry, payloadCRC uint32) {
	order.PutUint32(b[0:], frameMagic)
	order.PutUint32(b[48:], uint32(len(e.Batches)))
	order.PutUint32(b[52:], payloadCRC)
	order.PutUint32(b[56:], kindEntry)
	order.PutUint32(b[60:], uint32(e.Epoch))
	copy(b[64:80], e.Topic[:])
	order.PutUint32(b[80:], uint32(e.Broker))
	order.PutUint32(b[84:], uint32(e.Partition))
	order.PutUint64(b[88:], uint64(e.First))
	order.PutUint64(b[96:], uint64(e.Next))
}

// putSeal writes a frame without payload that only says what is synced.
func putSeal(b []byte) {
	clear(b[:headerSize])
	order.PutUint32(b[0:], frameMagic)
	order.PutUint32(b[56:], kindSeal|lastOfGroup)
}

// place writes where a frame is, and closes its header.
func place(b []byte, s *segment, position, synced, released int64, last bool) {
	order.PutUint64(b[8:], s.generation)
	order.PutUint64(b[16:], s.salt)
	order.PutUint64(b[24:], uint64(position))
	order.PutUint64(b[32:], uint64(synced))
	order.PutUint64(b[40:], uint64(released))
	if last {
		order.PutUint32(b[56:], order.Uint32(b[56:])|lastOfGroup)
	}
	order.PutUint32(b[4:], crc32.Checksum(b[8:headerSize], castagnoli))
}

// payloadLength is the length of a frame's payload before it is placed.
func payloadLength(b []byte) int { return int(order.Uint32(b[48:])) }

// keyOf and nextOf read a frame before it is placed.
func keyOf(b []byte) (k Key) {
	copy(k.Topic[:], b[64:80])
	k.Broker = int32(order.Uint32(b[80:]))
	k.Partition = int32(order.Uint32(b[84:]))
	return k
}

func nextOf(b []byte) int64 { return int64(order.Uint64(b[96:])) }

// parseFrame reads a header; ok says that its magic and checksum are right.
func parseFrame(b []byte) (f frame, ok bool) {
	if len(b) < headerSize || order.Uint32(b) != frameMagic || order.Uint32(b[4:]) != crc32.Checksum(b[8:headerSize], castagnoli) {
		return frame{}, false
	}
	return frame{
		generation: order.Uint64(b[8:]), salt: order.Uint64(b[16:]),
		position: int64(order.Uint64(b[24:])), synced: int64(order.Uint64(b[32:])), released: int64(order.Uint64(b[40:])),
		length: order.Uint32(b[48:]), payloadCRC: order.Uint32(b[52:]), kind: order.Uint32(b[56:]),
		epoch: int32(order.Uint32(b[60:])), key: keyOf(b),
		first: int64(order.Uint64(b[88:])), next: nextOf(b),
	}, true
}

// putSegmentHeader writes the first sector of a segment.
func putSegmentHeader(b []byte, s *segment) {
	clear(b[:sectorSize])
	order.PutUint32(b[0:], segmentMagic)
	order.PutUint32(b[8:], version)
	order.PutUint64(b[16:], s.generation)
	order.PutUint64(b[24:], s.salt)
	order.PutUint64(b[32:], uint64(s.base))
	order.PutUint64(b[40:], s.previous)
	order.PutUint32(b[4:], crc32.Checksum(b[8:sectorSize], castagnoli))
}

// segmentHeader is the first sector of a segment.
type segmentHeader struct {
	generation, salt, previous uint64
	base                       int64
}

// parseSegmentHeader reads a header; ok says that it is one.
func parseSegmentHeader(b []byte) (h segmentHeader, ok bool) {
	if len(b) < sectorSize || order.Uint32(b) != segmentMagic || order.Uint32(b[8:]) != version ||
		order.Uint32(b[4:]) != crc32.Checksum(b[8:sectorSize], castagnoli) {
		return h, false
	}
	return segmentHeader{
		generation: order.Uint64(b[16:]), salt: order.Uint64(b[24:]),
		base: int64(order.Uint64(b[32:])), previous: order.Uint64(b[40:]),
	}, true
}
