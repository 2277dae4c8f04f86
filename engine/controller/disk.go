package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/raft/v3/raftpb"
)

// A frame is what one write puts into the log: the voter's hard state and the
// entries that came with it. A write is synced before the next one begins, so
// only the last frame of a file can be torn.
//
//	0  uint32 CRC-32C of all that follows
//	4  uint32 length of the body
//	8  uint64 position of the frame in the file
//	16 body
const (
	frameHeader = 16
	// maxFrame bounds the body of a frame: a proposal is at most maxProposal,
	// and raft hands over at most a few messages' worth at a time.
	maxFrame = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn says that the bytes from here on are no whole frame.
var errTorn = errors.New("no whole frame")

// appendFrame appends a frame for the position at.
func appendFrame(b []byte, at int64, hs *raftpb.HardState, entries []*raftpb.Entry) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b = binary.AppendUvarint(b, hs.GetTerm())
	b = binary.AppendUvarint(b, hs.GetVote())
	b = binary.AppendUvarint(b, hs.GetCommit())
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		b = binary.AppendUvarint(b, e.GetIndex())
		b = binary.AppendUvarint(b, e.GetTerm())
		b = binary.AppendUvarint(b, uint64(e.GetType()))
		b = binary.AppendUvarint(b, uint64(len(e.GetData())))
		b = append(b, e.GetData()...)
	}
	f := b[start:]
	binary.LittleEndian.PutUint32(f[4:], uint32(len(f)-frameHeader))
	binary.LittleEndian.PutUint64(f[8:], uint64(at))
	binary.LittleEndian.PutUint32(f, crc32.Checksum(f[4:], castagnoli))
	return b
}

// frame is a decoded frame.
type frame struct {
	hs      *raftpb.HardState
	entries []*raftpb.Entry
	size    int // bytes, with the header
}

// parseFrame reads the frame at the start of b, which is at position at of its
// file. errTorn: there is none; any other error: the frame is whole, by its
// checksum, but not one that this program writes. Entries do not share memory
// with b.
func parseFrame(b []byte, at int64) (frame, error) {
	if len(b) < frameHeader {
		return frame{}, errTorn
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n > maxFrame || int(n) > len(b)-frameHeader || binary.LittleEndian.Uint64(b[8:]) != uint64(at) {
		return frame{}, errTorn
	}
	size := frameHeader + int(n)
	if crc32.Checksum(b[4:size], castagnoli) != binary.LittleEndian.Uint32(b) {
		return frame{}, errTorn
	}
	r := numbers{b: b[frameHeader:size]}
	f := frame{size: size, hs: &raftpb.HardState{Term: new(r.next()), Vote: new(r.next()), Commit: new(r.next())}}
	count := r.next()
	if count > uint64(len(r.b)) {
		return frame{}, errors.New("a frame counts more entries than it has bytes")
	}
	f.entries = make([]*raftpb.Entry, 0, count)
	for range count {
		e := &raftpb.Entry{Index: new(r.next()), Term: new(r.next())}
		e.Type = raftpb.EntryType(r.next()).Enum()
		e.Data = r.bytes(r.next())
		f.entries = append(f.entries, e)
	}
	if r.bad || len(r.b) > 0 {
		return frame{}, errors.New("a frame's fields do not fill it")
	}
	return f, nil
}

// numbers reads varints; after the first fault it returns zeros and bad is set.
type numbers struct {
	b   []byte
	bad bool
}

func (r *numbers) next() uint64 {
	v, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[w:]
	return v
}

func (r *numbers) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := append([]byte(nil), r.b[:n]...)
	r.b = r.b[n:]
	return out
}

// parseLog reads the frames of a log file. good is the length of the part that
// is whole; what follows it is a torn write. An error means damage that no
// torn write explains: the frame that cannot be read is not the last.
func parseLog(b []byte) (frames []frame, good int64, err error) {
	for int(good) < len(b) {
		f, err := parseFrame(b[good:], good)
		if errors.Is(err, errTorn) {
			if next, found := findFrame(b, good+1); found {
				return nil, 0, fmt.Errorf("damaged at byte %d: a whole frame follows at byte %d", good, next)
			}
			return frames, good, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("byte %d: %w", good, err)
		}
		frames = append(frames, f)
		good += int64(f.size)
	}
	return frames, good, nil
}

// findFrame looks for a whole frame at or after from. A frame holds its own
// position, so only bytes that name their place cost a checksum.
func findFrame(b []byte, from int64) (int64, bool) {
	for at := from; at+frameHeader <= int64(len(b)); at++ {
		if binary.LittleEndian.Uint64(b[at+8:]) != uint64(at) {
			continue
		}
		if _, err := parseFrame(b[at:], at); !errors.Is(err, errTorn) {
			return at, true
		}
	}
	return 0, false
}
