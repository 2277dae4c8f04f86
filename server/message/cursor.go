package message

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/logarium/logarium/server/kafka"
)

// errCursor tells that a cursor in an address was changed by hand or is of
// another version.
var errCursor = errors.New("the cursor in the address cannot be read")

// maxCursor is the number of partitions of the largest topic that Kafka people
// still call one.
const maxCursor = 100_000

// cursor is where a page begins: a direction, and for each partition the first
// offset to read (forward) or the one after the last to read (back).
type cursor struct {
	back bool
	at   []kafka.Position // sorted by partition
}

const (
	cursorForward = 'f'
	cursorBack    = 'b'
)

// String encodes the cursor for an address.
func (c cursor) String() string {
	b := []byte{cursorForward}
	if c.back {
		b[0] = cursorBack
	}
	last := int32(-1)
	for _, p := range c.at {
		b = binary.AppendUvarint(b, uint64(p.Partition-last))
		b = binary.AppendUvarint(b, uint64(p.Offset))
		last = p.Partition
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor decodes a cursor; it comes from an address and may be anything.
func parseCursor(s string) (cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || (b[0] != cursorForward && b[0] != cursorBack) {
		return cursor{}, errCursor
	}
	c := cursor{back: b[0] == cursorBack}
	partition := int64(-1)
	for b = b[1:]; len(b) > 0; {
		step, n := binary.Uvarint(b)
		if n <= 0 || step == 0 || step > maxCursor || partition+int64(step) > maxCursor {
			return cursor{}, errCursor
		}
		offset, m := binary.Uvarint(b[n:])
		if m <= 0 || offset > 1<<62 {
			return cursor{}, errCursor
		}
		partition += int64(step)
		c.at = append(c.at, kafka.Position{Partition: int32(partition), Offset: int64(offset)})
		b = b[n+m:]
	}
	return c, nil
}

// of returns the position of a partition.
func (c cursor) of(partition int32) (int64, bool) {
	i, found := slices.BinarySearchFunc(c.at, partition, func(p kafka.Position, id int32) int { return int(p.Partition - id) })
	if !found {
		return 0, false
	}
	return c.at[i].Offset, true
}
