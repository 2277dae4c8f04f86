package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/vfs"
)

// stored is what the journal's folder holds.
type stored struct {
	segments []*segment // in use, oldest first, open
	spares   []spare    // prewritten files without entries, whatever their names
	halves   []string   // of an unfinished prewriting
	corrupt  []string   // kept from earlier damage
	last     uint64     // the largest generation of any name
	salt     uint64     // of this journal; 0: it has none yet
	damage   []Damage   // of headers
}

// load reads the folder and the header of each file; it changes nothing.
func load(fsys vfs.FS) (_ *stored, err error) {
	names, err := fsys.List(".")
	if err != nil {
		return nil, err
	}
	st := &stored{}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	var used []uint64
	for _, name := range names {
		if g, ok := parseName(name, usedPrefix); ok {
			used = append(used, g)
			st.last = max(st.last, g)
			continue
		}
		g, ok := parseName(name, sparePrefix)
		switch {
		case ok:
			st.last = max(st.last, g)
			if err := st.addSpare(fsys, name); err != nil {
				return nil, err
			}
		case strings.HasSuffix(name, newSuffix):
			st.halves = append(st.halves, name)
		case strings.HasSuffix(name, badSuffix):
			st.corrupt = append(st.corrupt, name)
			if g, ok := parseName(strings.TrimSuffix(name, badSuffix), usedPrefix); ok {
				st.last = max(st.last, g)
			}
		}
	}
	if st.salt, err = readSalt(fsys, used); err != nil {
		return nil, err
	}
	// The newest first: that a segment has a successor says that all of it was synced.
	slices.SortFunc(used, func(a, b uint64) int { return cmp.Compare(b, a) })
	for _, g := range used {
		if err := st.addUsed(fsys, g); err != nil {
			return nil, err
		}
	}
	slices.Reverse(st.segments)
	return st, nil
}

func (st *stored) close() error {
	var errs []error
	for _, s := range st.segments {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

func (st *stored) addSpare(fsys vfs.FS, name string) error {
	info, err := fsys.Stat(name)
	if err != nil {
		return err
	}
	st.spares = append(st.spares, spare{name, info.Size})
	return nil
}

// addUsed opens the segment of a generation. One that was given its name and
// never written is a spare.
func (st *stored) addUsed(fsys vfs.FS, generation uint64) error {
	f, err := fsys.Open(usedName(generation))
	if err != nil {
		return err
	}
	s := &segment{generation: generation, file: f, marks: map[Key]int64{}}
	inUse, err := st.identify(s)
	if err == nil && inUse {
		st.segments = append(st.segments, s)
		return nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	st.spares = append(st.spares, spare{s.name(), s.size})
	return nil
}

// identify fills in what the header of a segment says, or what its frames say
// if the header is damaged.
func (st *stored) identify(s *segment) (inUse bool, err error) {
	if s.size, err = s.file.Size(); err != nil {
		return false, err
	}
	win := window{file: s.file, size: s.size}
	b, err := win.bytes(0, sectorSize)
	if err != nil {
		return false, err
	}
	h, ok := parseSegmentHeader(b)
	if ok && h.generation == s.generation {
		s.previous, s.salt, s.base = h.previous, h.salt, h.base
		return true, nil
	}
	return st.identifyByFrames(s, &win)
}

// identifyByFrames is for a segment with the header of an earlier use, or none.
// If no frame is of this generation, or only such of the first write, which was
// never synced, the segment was not used.
func (st *stored) identifyByFrames(s *segment, win *window) (inUse bool, err error) {
	found, synced := false, int64(-1)
	for off := int64(sectorSize); off+headerSize <= s.size && st.salt != 0; off += frameAlign {
		b, err := win.bytes(off, headerSize)
		if err != nil {
			return false, err
		}
		f, ok := parseFrame(b)
		if !ok || f.generation != s.generation || f.salt != st.salt {
			continue
		}
		if !found {
			found = true
			s.salt, s.base = st.salt, f.position-(off-sectorSize)
		}
		synced = max(synced, f.synced)
	}
	n, bytes := len(st.segments), int64(sectorSize)
	if n > 0 && st.segments[n-1].previous == s.generation && !found { // all of it is gone
		s.salt, s.base, found = st.salt, st.segments[n-1].base, true
		bytes = s.size
	}
	if !found || n == 0 && synced <= s.base {
		return false, nil
	}
	// s.previous stays unknown: the segment before it is read as far as it goes.
	st.damage = append(st.damage, Damage{File: s.name(), Bytes: bytes})
	return true, nil
}

// readSalt reads the journal's salt from its own file, or else from the first
// segment that has a header.
func readSalt(fsys vfs.FS, used []uint64) (uint64, error) {
	raw, err := vfs.ReadFile(fsys, saltFile)
	if err == nil {
		if salt, ok := parseSalt(raw); ok {
			return salt, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, g := range used {
		f, err := fsys.Open(usedName(g))
		if err != nil {
			return 0, err
		}
		b := make([]byte, sectorSize)
		_, err = f.ReadAt(b, 0)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return 0, err
		}
		if h, ok := parseSegmentHeader(b); ok && h.generation == g {
			return h.salt, nil
		}
	}
	return 0, nil
}

// formatSalt and parseSalt are the content of the salt's file.
func formatSalt(salt uint64) []byte {
	text := fmt.Appendf(nil, "version=%d\nsalt=%016x\n", version, salt)
	return fmt.Appendf(text, "crc32c=%08x\n", crc32.Checksum(text, castagnoli))
}

func parseSalt(raw []byte) (salt uint64, ok bool) {
	_, rest, _ := bytes.Cut(raw, []byte("salt="))
	digits, _, _ := bytes.Cut(rest, []byte("\n"))
	salt, err := strconv.ParseUint(string(digits), 16, 64)
	return salt, err == nil && salt != 0 && bytes.Equal(raw, formatSalt(salt))
}

// walkers returns one for each segment. Where the successor of a segment is
// known, so is its end.
func (st *stored) walkers() []*walker {
	out := make([]*walker, len(st.segments))
	for i, s := range st.segments {
		end := int64(-1)
		if i+1 < len(st.segments) && st.segments[i+1].previous == s.generation {
			end = st.segments[i+1].base
		}
		out[i] = newWalker(s, end)
	}
	return out
}
