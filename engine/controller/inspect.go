package controller

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/vfs"
)

// Stored is what one controller's folder holds, read as it is: nothing is
// repaired or removed, and raft takes no part.
type Stored struct {
	Snapshot  *StoredSnapshot // nil: none
	LogFile   string          // name of the log that counts
	Frames    []StoredFrame
	Good      int64    // bytes of whole frames in the log
	Torn      int64    // bytes after them: a write that did not end
	Leftovers []string // files that the next start removes
}

// StoredSnapshot is the image after an entry.
type StoredSnapshot struct {
	File        string
	Index, Term uint64
	Voters      []uint64
	Image       []byte // as metadata.ReadImage takes it
}

// StoredFrame is one write to the log.
type StoredFrame struct {
	Position, Bytes    int64
	Term, Vote, Commit uint64 // the hard state
	Entries            []StoredEntry
}

// StoredEntry is an entry of the raft log.
type StoredEntry struct {
	Index, Term uint64
	Normal      bool // false: a change of raft's own configuration
	Proposal    uint64
	Records     []byte // as metadata.DecodeRecords takes them; empty at the start of a term
}

// Last returns the index of the last entry, that of the snapshot if there is no
// other.
func (s *Stored) Last() uint64 {
	for i := len(s.Frames) - 1; i >= 0; i-- {
		if n := len(s.Frames[i].Entries); n > 0 {
			return s.Frames[i].Entries[n-1].Index
		}
	}
	if s.Snapshot != nil {
		return s.Snapshot.Index
	}
	return 0
}

// Commit returns the highest index that the controller knew to be agreed.
func (s *Stored) Commit() uint64 {
	var commit uint64
	if s.Snapshot != nil {
		commit = s.Snapshot.Index
	}
	if n := len(s.Frames); n > 0 {
		commit = max(commit, s.Frames[n-1].Commit)
	}
	return commit
}

// Entries returns the entries of all frames as they count in the end: one that
// comes again replaces those from its index on.
func (s *Stored) Entries() []StoredEntry {
	var out []StoredEntry
	for _, f := range s.Frames {
		for _, e := range f.Entries {
			for len(out) > 0 && out[len(out)-1].Index >= e.Index {
				out = out[:len(out)-1]
			}
			out = append(out, e)
		}
	}
	return out
}

// ReadStored reads a controller's folder. The error says what is damaged, and
// wraps fs.ErrNotExist if there is no folder.
func ReadStored(fsys vfs.FS, dir string) (*Stored, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	s := &store{fs: fsys, dir: dir}
	for _, n := range names {
		if at, ok := strings.CutSuffix(n, snapshotSuffix); ok {
			index, err := strconv.ParseUint(at, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s is not a name of a snapshot", path.Join(dir, n))
			}
			s.base = max(s.base, index)
		}
	}
	out := &Stored{LogFile: path.Base(s.name(s.base, logSuffix))}
	if s.base > 0 {
		if out.Snapshot, err = readStoredSnapshot(fsys, s.name(s.base, snapshotSuffix)); err != nil {
			return nil, err
		}
		if out.Snapshot.Index != s.base {
			return nil, fmt.Errorf("%s: the snapshot is of index %d, not of its name's", s.name(s.base, snapshotSuffix), out.Snapshot.Index)
		}
	}
	for _, n := range names {
		if n != out.LogFile && (out.Snapshot == nil || n != out.Snapshot.File) {
			out.Leftovers = append(out.Leftovers, n)
		}
	}
	return out, out.readLog(fsys, s.name(s.base, logSuffix))
}

func readStoredSnapshot(fsys vfs.FS, name string) (*StoredSnapshot, error) {
	b, err := vfs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	snap, err := parseSnapshot(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m := snap.GetMetadata()
	return &StoredSnapshot{
		File: path.Base(name), Index: m.GetIndex(), Term: m.GetTerm(), Voters: m.GetConfState().GetVoters(), Image: snap.GetData(),
	}, nil
}

func (s *Stored) readLog(fsys vfs.FS, name string) error {
	b, err := vfs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) && s.Snapshot == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the metadata log: %w", err)
	}
	frames, good, err := parseLog(b)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.Good, s.Torn = good, int64(len(b))-good
	at := int64(0)
	for _, f := range frames {
		out := StoredFrame{
			Position: at, Bytes: int64(f.size), Term: f.hs.GetTerm(), Vote: f.hs.GetVote(), Commit: f.hs.GetCommit(),
		}
		for _, e := range f.entries {
			entry := StoredEntry{Index: e.GetIndex(), Term: e.GetTerm(), Normal: e.GetType() == 0}
			if data := e.GetData(); len(data) > 0 {
				r := numbers{b: data}
				if entry.Proposal = r.next(); r.bad {
					return fmt.Errorf("%s: entry %d has no number", name, entry.Index)
				}
				entry.Records = r.b
			}
			out.Entries = append(out.Entries, entry)
		}
		s.Frames = append(s.Frames, out)
		at += out.Bytes
	}
	return nil
}
