package bench

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"time"
)

// A value starts with a stamp of 40 bytes, little endian, and is filled up with bytes that do not compress:
//
//	0  magic      u32   "lgmb"
//	4  checksum   u32   CRC32C of all that follows
//	8  run        u64   chosen at random for each run
//	16 producer   u32   from 0
//	20 partition  u32   where it was sent
//	24 sequence   u64   from 0 for each (producer, partition) of the run
//	32 due        i64   nanoseconds since 1970: when it was due to be sent
const (
	stampSize  = 40
	stampMagic = 0x626d676c
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// stamp says which record of which run a value is.
type stamp struct {
	run       uint64
	producer  uint32
	partition uint32
	sequence  uint64
	due       int64
}

// put writes the stamp into the first 40 bytes of v and its checksum over the rest. It returns the checksum.
func (s stamp) put(v []byte) uint32 {
	binary.LittleEndian.PutUint32(v, stampMagic)
	binary.LittleEndian.PutUint64(v[8:], s.run)
	binary.LittleEndian.PutUint32(v[16:], s.producer)
	binary.LittleEndian.PutUint32(v[20:], s.partition)
	binary.LittleEndian.PutUint64(v[24:], s.sequence)
	binary.LittleEndian.PutUint64(v[32:], uint64(s.due))
	sum := crc32.Checksum(v[8:], castagnoli)
	binary.LittleEndian.PutUint32(v[4:], sum)
	return sum
}

// parseStamp reads a stamp. mine is false for a value that no bench wrote; intact is false when its checksum is
// wrong.
func parseStamp(v []byte) (s stamp, sum uint32, mine, intact bool) {
	if len(v) < stampSize || binary.LittleEndian.Uint32(v) != stampMagic {
		return stamp{}, 0, false, false
	}
	sum = crc32.Checksum(v[8:], castagnoli)
	s = stamp{
		run:       binary.LittleEndian.Uint64(v[8:]),
		producer:  binary.LittleEndian.Uint32(v[16:]),
		partition: binary.LittleEndian.Uint32(v[20:]),
		sequence:  binary.LittleEndian.Uint64(v[24:]),
		due:       int64(binary.LittleEndian.Uint64(v[32:])),
	}
	return s, sum, true, sum == binary.LittleEndian.Uint32(v[4:])
}

// filler hands out bytes that do not compress, from one block of a mebibyte.
type filler struct {
	block []byte
	at    int
}

func newFiller(seed uint64) *filler {
	f := &filler{block: make([]byte, max(1<<20, maxValue))}
	src := rand.NewPCG(seed, seed)
	for i := 0; i+8 <= len(f.block); i += 8 {
		binary.LittleEndian.PutUint64(f.block[i:], src.Uint64())
	}
	return f
}

func (f *filler) fill(v []byte) {
	if f.at+len(v) > len(f.block) {
		f.at = (f.at + 1) % 61
		if f.at+len(v) > len(f.block) {
			f.at = 0
		}
	}
	copy(v, f.block[f.at:])
	f.at += 61
}

// newRun returns a number that tells the values of this run from those of any other.
func newRun() uint64 { return rand.Uint64() }

// pace says when the k-th record is due: at a steady rate from begin on, or (rate 0) now.
type pace struct {
	begin time.Time
	rate  int
}

func (p pace) due(k int64) time.Time {
	if p.rate <= 0 {
		return time.Now()
	}
	return p.begin.Add(time.Duration(float64(k) / float64(p.rate) * float64(time.Second)))
}
