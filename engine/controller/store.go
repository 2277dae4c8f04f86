package controller

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/logarium/logarium/engine/vfs"
)

// store holds a voter's hard state, its log since the last snapshot, and that
// snapshot: on disk, and in the memory that raft reads. A snapshot of index N
// is the pair N.snapshot and N.log; the rename that gives the first its name
// is the moment from which the pair counts. docs/format/metadata-log.md has
// the formats and the argument. After an error the store must not be used.
type store struct {
	*raft.MemoryStorage
	fs   vfs.FS
	dir  string
	conf *raftpb.ConfState // of the configuration, which counts at every start

	file vfs.File // the log being written
	base uint64   // index of the snapshot that it follows
	size int64    // bytes of the log
	hs   *raftpb.HardState
	buf  []byte
}

const (
	logSuffix      = ".log"
	snapshotSuffix = ".snapshot"
	tmpSuffix      = ".tmp"
)

func (s *store) name(index uint64, suffix string) string {
	return path.Join(s.dir, fmt.Sprintf("%020d%s", index, suffix))
}

// openStore reads the files in dir, cuts a torn tail and removes what a crash
// left over. cut is the number of bytes cut.
func openStore(fsys vfs.FS, dir string, conf *raftpb.ConfState) (s *store, cut int64, err error) {
	s = &store{MemoryStorage: raft.NewMemoryStorage(), fs: fsys, dir: dir, conf: conf, hs: &raftpb.HardState{}}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, 0, err
	}
	// An earlier process may have ended between a rename and its sync: what
	// is seen from here on must be what a power cut leaves.
	if err := errors.Join(fsys.SyncDir(path.Dir(dir)), fsys.SyncDir(dir)); err != nil {
		return nil, 0, err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, n := range names {
		if at, ok := strings.CutSuffix(n, snapshotSuffix); ok {
			index, err := strconv.ParseUint(at, 10, 64)
			if err != nil {
				return nil, 0, fmt.Errorf("%s is not a name of a snapshot", path.Join(dir, n))
			}
			s.base = max(s.base, index)
		}
	}
	if err := s.removeOthers(names); err != nil {
		return nil, 0, err
	}
	if s.base > 0 {
		if err := s.loadSnapshot(); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", s.name(s.base, snapshotSuffix), err)
		}
	}
	cut, err = s.loadLog()
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", s.name(s.base, logSuffix), err)
	}
	return s, cut, nil
}

// removeOthers removes the files that are not of the present snapshot.
func (s *store) removeOthers(names []string) error {
	keep := map[string]bool{path.Base(s.name(s.base, logSuffix)): true, path.Base(s.name(s.base, snapshotSuffix)): true}
	for _, n := range names {
		ours := strings.HasSuffix(n, logSuffix) || strings.HasSuffix(n, snapshotSuffix) || strings.HasSuffix(n, tmpSuffix)
		if !ours || keep[n] {
			continue
		}
		if err := s.fs.Remove(path.Join(s.dir, n)); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) loadSnapshot() error {
	f, b, err := s.read(s.name(s.base, snapshotSuffix))
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	snap, err := parseSnapshot(b)
	if err != nil {
		return err
	}
	if snap.GetMetadata().GetIndex() != s.base {
		return fmt.Errorf("the snapshot is of index %d, not of its name's", snap.GetMetadata().GetIndex())
	}
	snap.Metadata.ConfState = s.conf
	return s.ApplySnapshot(snap)
}

func (s *store) read(name string) (vfs.File, []byte, error) {
	f, err := s.fs.Open(name)
	if err != nil {
		return nil, nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); err != nil && (!errors.Is(err, io.EOF) || n < len(b)) {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, b, nil
}

// loadLog reads the log, or makes the first one.
func (s *store) loadLog() (cut int64, err error) {
	name := s.name(s.base, logSuffix)
	if _, err := s.fs.Stat(name); err != nil {
		if s.base > 0 {
			return 0, fmt.Errorf("the log of a snapshot is missing: %w", err)
		}
		if s.file, err = s.fs.Create(name); err != nil {
			return 0, err
		}
		return 0, errors.Join(s.file.Sync(), s.fs.SyncDir(s.dir))
	}
	f, b, err := s.read(name)
	if err != nil {
		return 0, err
	}
	s.file = f
	frames, good, err := parseLog(b)
	if err != nil {
		return 0, err
	}
	for _, f := range frames {
		if err := s.replay(f); err != nil {
			return 0, err
		}
	}
	s.size, cut = good, int64(len(b))-good
	if cut > 0 {
		if err := f.Truncate(good); err != nil {
			return 0, err
		}
	}
	// What an earlier process wrote and did not sync is taken for good from
	// here on, so it must be on disk first.
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return cut, s.settle()
}

// replay puts a frame of the log into memory.
func (s *store) replay(f frame) error {
	last, _ := s.LastIndex() // a MemoryStorage has no error
	for i, e := range f.entries {
		want := last + 1
		if i > 0 {
			want = f.entries[i-1].GetIndex() + 1
		}
		if e.GetIndex() > want || i > 0 && e.GetIndex() != want {
			return fmt.Errorf("entry %d follows entry %d", e.GetIndex(), want-1)
		}
	}
	s.hs = f.hs
	return s.Append(f.entries)
}

// settle checks the hard state that was read and hands it to raft's memory.
func (s *store) settle() error {
	last, _ := s.LastIndex()
	if s.hs.GetCommit() > last {
		return fmt.Errorf("the log ends at entry %d, but entries up to %d are committed", last, s.hs.GetCommit())
	}
	// A commit index is written only beside something that must be synced, so
	// the snapshot can be ahead of it.
	s.hs.Commit = new(max(s.hs.GetCommit(), s.base))
	return s.SetHardState(s.hs)
}

// InitialState is raft.Storage's. The members are those of the configuration.
func (s *store) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	hs, _, err := s.MemoryStorage.InitialState()
	return hs, s.conf, err
}

// confState returns the members of a quorum as raft wants them.
func confState(voters, learners []int32) *raftpb.ConfState {
	ids := func(in []int32) []uint64 {
		out := make([]uint64, len(in))
		for i, id := range in {
			out[i] = uint64(id)
		}
		slices.Sort(out)
		return out
	}
	return &raftpb.ConfState{Voters: ids(voters), Learners: ids(learners), AutoLeave: new(false)}
}

// save writes and syncs what a raft.Ready asks for, in one frame.
func (s *store) save(hs *raftpb.HardState, entries []*raftpb.Entry) error {
	if hs == nil {
		hs = s.hs
	}
	s.buf = appendFrame(s.buf[:0], s.size, hs, entries)
	if _, err := s.file.WriteAt(s.buf, s.size); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.size += int64(len(s.buf))
	if cap(s.buf) > 1<<20 {
		s.buf = nil
	}
	s.hs = hs
	return errors.Join(s.SetHardState(hs), s.Append(entries))
}

// install replaces everything by a snapshot that the leader sent, and the
// entries that came with it.
func (s *store) install(snap *raftpb.Snapshot, hs *raftpb.HardState, entries []*raftpb.Entry) error {
	if hs == nil {
		hs = s.hs
	}
	if err := s.replace(snap, hs, entries); err != nil {
		return err
	}
	return errors.Join(s.ApplySnapshot(snap), s.SetHardState(hs), s.Append(entries))
}

// compact takes a snapshot of the image after entry applied, and cuts the log.
func (s *store) compact(applied uint64, image []byte) error {
	term, err := s.Term(applied)
	if err != nil {
		return err
	}
	last, err := s.LastIndex()
	if err != nil {
		return err
	}
	var rest []*raftpb.Entry
	if last > applied {
		if rest, err = s.Entries(applied+1, last+1, 1<<62); err != nil {
			return err
		}
	}
	snap := &raftpb.Snapshot{Data: image, Metadata: &raftpb.SnapshotMetadata{
		Index: new(applied), Term: new(term), ConfState: s.conf,
	}}
	hs := &raftpb.HardState{Term: new(s.hs.GetTerm()), Vote: new(s.hs.GetVote()), Commit: new(max(applied, s.hs.GetCommit()))}
	if err := s.replace(snap, hs, rest); err != nil {
		return err
	}
	if err := s.SetHardState(hs); err != nil {
		return err
	}
	if _, err := s.CreateSnapshot(applied, s.conf, image); err != nil {
		return err
	}
	return s.Compact(applied)
}

// replace writes the pair of a new snapshot and makes it the one that counts.
func (s *store) replace(snap *raftpb.Snapshot, hs *raftpb.HardState, entries []*raftpb.Entry) error {
	index := snap.GetMetadata().GetIndex()
	tmp := s.name(index, snapshotSuffix+tmpSuffix)
	if err := s.writeFile(tmp, appendSnapshot(nil, snap)); err != nil {
		return err
	}
	frame := appendFrame(nil, 0, hs, entries)
	log := s.name(index, logSuffix)
	if err := s.writeFile(log, frame); err != nil {
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	if err := s.fs.Rename(tmp, s.name(index, snapshotSuffix)); err != nil {
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	f, err := s.fs.Open(log)
	if err != nil {
		return err
	}
	old := s.file
	s.file, s.base, s.size, s.hs = f, index, int64(len(frame)), hs
	names, err := s.fs.List(s.dir)
	return errors.Join(err, old.Close(), s.removeOthers(names))
}

func (s *store) writeFile(name string, b []byte) error {
	f, err := s.fs.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (s *store) close() error { return s.file.Close() }
