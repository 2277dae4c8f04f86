package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/vfs"
)

// truncationFile holds the staleRange.
const truncationFile = "truncation-offset-checkpoint"

// staleRange is the recovery points, above to and up to was, that may have been
// stored before the log was truncated or reset to an offset: what they say of
// the offsets from to on is no longer true. A recovery point above was has been
// stored since. The zero value has none.
type staleRange struct{ to, was int64 }

// trusted is what a recovery point is worth.
func (s staleRange) trusted(point int64) int64 {
	if point > s.to && point <= s.was {
		return s.to
	}
	return point
}

// widened is the range after one more truncation, of a log that was synced up
// to an offset. Once the log is synced above the old range, that matters no more.
func (s staleRange) widened(to, synced int64) staleRange {
	if s.was > synced {
		to, synced = min(to, s.to), s.was
	}
	if synced <= to {
		return staleRange{}
	}
	return staleRange{to, synced}
}

// save writes the range, durable with the next sync of the folder.
func (s staleRange) save(disk vfs.FS, dir string) error {
	return writeCheckpoint(disk, dir, truncationFile, []string{fmt.Sprintf("%d %d", s.to, s.was)})
}

// readStale reads the range; a missing file has none.
func readStale(disk vfs.FS, dir string) (staleRange, error) {
	lines, err := readCheckpoint(disk, dir, truncationFile)
	if errors.Is(err, fs.ErrNotExist) {
		return staleRange{}, nil
	}
	if err != nil {
		return staleRange{}, err
	}
	return decodeStale(lines)
}

func decodeStale(lines []string) (s staleRange, err error) {
	if len(lines) != 1 {
		return s, fmt.Errorf("%w: %d lines", errBadCheckpoint, len(lines))
	}
	first, second, _ := strings.Cut(lines[0], " ")
	to, err := strconv.ParseInt(first, 10, 64)
	if err == nil {
		s.was, err = strconv.ParseInt(second, 10, 64)
	}
	if err != nil || to < 0 || to > s.was {
		return staleRange{}, fmt.Errorf("%w: offsets %q", errBadCheckpoint, lines[0])
	}
	s.to = to
	return s, nil
}
