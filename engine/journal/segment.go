package journal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/vfs"
)

// The names of files in the journal's folder. The number is the generation.
const (
	usedPrefix  = "journal-"
	sparePrefix = "spare-"
	suffix      = ".log"
	newSuffix   = ".new"     // being prewritten
	badSuffix   = ".corrupt" // damaged, released and kept to be looked at
	saltFile    = "salt"
)

func usedName(generation uint64) string {
	return fmt.Sprintf("%s%020d%s", usedPrefix, generation, suffix)
}
func spareName(generation uint64) string {
	return fmt.Sprintf("%s%020d%s", sparePrefix, generation, suffix)
}

// parseName reads the generation from a name with the prefix given.
func parseName(name, prefix string) (generation uint64, ok bool) {
	digits, isPrefixed := strings.CutPrefix(name, prefix)
	digits, isLog := strings.CutSuffix(digits, suffix)
	if !isPrefixed || !isLog || len(digits) != 20 {
		return 0, false
	}
	generation, err := strconv.ParseUint(digits, 10, 64)
	return generation, err == nil
}

// segment is a file of the journal that holds entries, or is about to.
type segment struct {
	generation uint64
	previous   uint64 // generation of the segment before it, 0 for none
	salt       uint64 // of the journal: what a client sends cannot look like a frame
	base       int64  // position in the journal of the first byte after the header
	size       int64  // of the file
	file       vfs.File

	// What follows is guarded by space.mu while the journal runs.
	end     int64         // position after the last frame
	marks   map[Key]int64 // how far each partition's log must be synced before the release
	pinned  bool          // it holds entries of logs that cannot be synced now
	damaged bool          // it is kept under another name instead of being used again
}

// offset is where a position lies in the file.
func (s *segment) offset(position int64) int64 { return sectorSize + position - s.base }

// position is the reverse of offset.
func (s *segment) position(offset int64) int64 { return s.base + offset - sectorSize }

// room is how many bytes fit in behind a position.
func (s *segment) room(position int64) int64 { return s.size - s.offset(position) }

func (s *segment) name() string { return usedName(s.generation) }

// spare is a prewritten file that waits to be used.
type spare struct {
	name string
	size int64
}

// prewrite makes a file of zeros, so that later syncs have no blocks to
// allocate and no length to store.
func prewrite(fsys vfs.FS, name string, size int64) (err error) {
	f, err := fsys.Create(name + newSuffix)
	if err != nil {
		return err
	}
	zeros := make([]byte, min(size, 1<<20))
	for at := int64(0); at < size && err == nil; at += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.Rename(name+newSuffix, name)
	}
	if err != nil {
		// The disk may be full: what is half written must not make it worse.
		if gone := fsys.Remove(name + newSuffix); gone != nil {
			err = errors.Join(err, gone)
		}
	}
	return err
}
