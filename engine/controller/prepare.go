package controller

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// Member is a broker's disk, for Prepare.
type Member struct {
	ID  int32
	FS  vfs.FS
	Dir string // as in Config
	// Absent is set for a broker of an earlier run that will not run now. Its
	// metadata log may be the only one that has the newest decisions.
	Absent bool
}

// PrepareResult is what Prepare found.
type PrepareResult struct {
	// Campaign is the voter whose Config.Campaign should be set: the most
	// advanced one.
	Campaign int32
	// Image is the newest image, nil for a new cluster. It has no static
	// settings.
	Image *metadata.Image
}

// TooFewBrokersError says that there are partitions on brokers that will not
// run.
type TooFewBrokersError struct {
	Broker    int32  // the highest that has partitions and will not run
	Topic     string // one of them
	Partition int32
}

// Error implements error.
func (e *TooFewBrokersError) Error() string {
	return fmt.Sprintf("it holds partitions of broker %d (such as %s-%d), which would not run", e.Broker, e.Topic, e.Partition)
}

// Prepare makes the metadata logs of a cluster fit the voters it is about to
// be opened with: while nothing runs, under the lock of the process, with the
// disks of all brokers, those of earlier runs included. A member without a log
// beside others that have one is given a copy of the most advanced one, so that
// voters without a past can never form a majority. Voters that are behind are
// given one too, until no majority is without it: then whoever is elected has
// all that was ever decided, whatever the voters were before. It changes
// nothing when it returns an error because of what it has read, such as
// *TooFewBrokersError.
func Prepare(members []Member, voters []int32) (PrepareResult, error) {
	logs, err := readMembers(members, voters)
	if err != nil {
		return PrepareResult{}, err
	}
	best := mostAdvanced(logs)
	if best == nil {
		return PrepareResult{Campaign: slices.Min(voters)}, nil
	}
	img, err := best.image()
	if err != nil {
		return PrepareResult{}, fmt.Errorf("the metadata log of broker %d: %w", best.ID, err)
	}
	for _, l := range logs {
		if err := l.sameHistory(best); err != nil {
			return PrepareResult{}, err
		}
	}
	if err := enoughBrokers(img, members); err != nil {
		return PrepareResult{}, err
	}
	if err := seed(logs, best, img, voters); err != nil {
		return PrepareResult{}, err
	}
	return PrepareResult{Campaign: candidate(logs, best), Image: img}, nil
}

// memberLog is what the log of a member has.
type memberLog struct {
	Member
	voter      bool
	stored     *Stored // nil: it has none
	entries    []StoredEntry
	last, term uint64 // of its newest entry; 0: it has none
	newest     uint64 // the newest term it knows of
}

func readMembers(members []Member, voters []int32) ([]*memberLog, error) {
	logs := make([]*memberLog, 0, len(members))
	for _, m := range members {
		m.Dir = cmp.Or(m.Dir, defaultDir)
		l := &memberLog{Member: m, voter: slices.Contains(voters, m.ID)}
		stored, err := ReadStored(m.FS, m.Dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("the metadata log of broker %d: %w", m.ID, err)
		default:
			l.read(stored)
		}
		logs = append(logs, l)
	}
	for _, id := range voters {
		if !slices.ContainsFunc(logs, func(l *memberLog) bool { return l.ID == id && !l.Absent }) {
			return nil, fmt.Errorf("voter %d is not among the brokers that run", id)
		}
	}
	if len(voters) == 0 {
		return nil, errors.New("there is no voter")
	}
	return logs, nil
}

func (l *memberLog) read(s *Stored) {
	l.stored = s
	if s.Snapshot != nil {
		l.last, l.term = s.Snapshot.Index, s.Snapshot.Term
	}
	l.entries = s.Entries()
	if n := len(l.entries); n > 0 {
		l.last, l.term = l.entries[n-1].Index, l.entries[n-1].Term
	}
	l.newest = l.term
	for _, f := range s.Frames {
		l.newest = max(l.newest, f.Term)
	}
}

// compare orders logs as voters do: by the term of the newest entry, then by
// how many there are.
func (l *memberLog) compare(o *memberLog) int {
	return cmp.Or(cmp.Compare(l.term, o.term), cmp.Compare(l.last, o.last))
}

// mostAdvanced returns the log that has everything that was decided, nil if
// none has an entry. Learners and absent members count: they may have been
// voters.
func mostAdvanced(logs []*memberLog) *memberLog {
	best := slices.MaxFunc(logs, (*memberLog).compare)
	if best.last == 0 {
		return nil
	}
	return best
}

// image returns the image after the newest entry.
func (l *memberLog) image() (*metadata.Image, error) {
	img := metadata.NewImage(nil)
	base := uint64(0)
	if s := l.stored.Snapshot; s != nil {
		var err error
		if img, err = metadata.ReadImage(s.Image, nil); err != nil {
			return nil, err
		}
		base = s.Index
	}
	var recs []metadata.Record
	for _, e := range l.entries {
		if e.Index <= base {
			continue
		}
		if !e.Normal {
			return nil, fmt.Errorf("entry %d changes raft's own configuration", e.Index)
		}
		more, err := metadata.DecodeRecords(e.Records)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Index, err)
		}
		recs = append(recs, more...)
	}
	img, _, err := img.Apply(recs...)
	return img, err
}

// termAt returns the term of an entry, if the log still has it.
func (l *memberLog) termAt(index uint64) (uint64, bool) {
	if s := l.stored.Snapshot; s != nil && s.Index == index {
		return s.Term, true
	}
	at, ok := slices.BinarySearchFunc(l.entries, index, func(e StoredEntry, index uint64) int { return cmp.Compare(e.Index, index) })
	if !ok {
		return 0, false
	}
	return l.entries[at].Term, true
}

// sameHistory refuses a log that agreed on something else than best did: the
// folder is of another cluster.
func (l *memberLog) sameHistory(best *memberLog) error {
	if l.last == 0 || l == best {
		return nil
	}
	mine, err := l.cluster()
	if err != nil {
		return err
	}
	others, err := best.cluster()
	if err != nil {
		return err
	}
	commit := l.stored.Commit()
	own, known := l.termAt(commit)
	there, has := best.termAt(commit)
	if mine != "" && mine != others || known && has && own != there {
		return fmt.Errorf("the metadata logs of brokers %d and %d are not of the same cluster", l.ID, best.ID)
	}
	return nil
}

// cluster returns the id of the cluster that a log is of, empty if it does not
// say.
func (l *memberLog) cluster() (string, error) {
	if s := l.stored.Snapshot; s != nil {
		id, err := metadata.ReadClusterID(s.Image)
		if err != nil {
			return "", fmt.Errorf("the metadata log of broker %d: %w", l.ID, err)
		}
		return id, nil
	}
	for _, e := range l.entries {
		recs, err := metadata.DecodeRecords(e.Records)
		if err != nil {
			return "", fmt.Errorf("the metadata log of broker %d, entry %d: %w", l.ID, e.Index, err)
		}
		for _, r := range recs {
			if c, ok := r.(metadata.ClusterRecord); ok {
				return c.ClusterID, nil
			}
		}
	}
	return "", nil
}

// enoughBrokers refuses to leave partitions behind.
func enoughBrokers(img *metadata.Image, members []Member) error {
	run := make(map[int32]bool, len(members))
	for _, m := range members {
		run[m.ID] = !m.Absent
	}
	var missing *TooFewBrokersError
	for _, t := range img.Topics() {
		for n := range t.Partitions {
			for _, id := range t.Partitions[n].Replicas {
				if !run[id] && (missing == nil || id > missing.Broker) {
					missing = &TooFewBrokersError{Broker: id, Topic: t.Name, Partition: int32(n)}
				}
			}
		}
	}
	if missing != nil {
		return missing
	}
	return nil
}

// seed copies best to members that run and have no log, and to voters that are
// behind until no majority of voters is without it.
func seed(logs []*memberLog, best *memberLog, img *metadata.Image, voters []int32) error {
	newest := uint64(0)
	have := 0
	var behind []*memberLog
	for _, l := range logs {
		newest = max(newest, l.newest)
		switch {
		case l.voter && l.compare(best) == 0 || l.last == 0 && l.voter && !l.Absent:
			have++
		case l.voter:
			behind = append(behind, l)
		}
	}
	slices.SortFunc(behind, func(a, b *memberLog) int { return -a.compare(b) })
	enough := (len(voters) + 1) / 2 // with fewer, the others are a majority
	for _, l := range logs {
		if l.last == 0 && !l.Absent {
			if err := l.copyOf(best, img, newest); err != nil {
				return err
			}
		}
	}
	for ; have < enough; have++ {
		if err := behind[0].copyOf(best, img, newest); err != nil {
			return err
		}
		behind = behind[1:]
	}
	return nil
}

// copyOf makes the log of a member a snapshot of best's newest entry. That
// entry may not have been agreed on yet; with this copy it is.
func (l *memberLog) copyOf(best *memberLog, img *metadata.Image, term uint64) error {
	s, _, err := openStore(l.FS, l.Dir, &raftpb.ConfState{})
	if err != nil {
		return fmt.Errorf("the metadata log of broker %d: %w", l.ID, err)
	}
	snap := &raftpb.Snapshot{Data: img.AppendTo(nil), Metadata: &raftpb.SnapshotMetadata{
		Index: new(best.last), Term: new(best.term), ConfState: &raftpb.ConfState{},
	}}
	hs := &raftpb.HardState{Term: new(term), Vote: new(uint64(0)), Commit: new(best.last)}
	err = s.replace(snap, hs, nil)
	if err = errors.Join(err, s.close()); err != nil {
		return fmt.Errorf("copying the metadata log of broker %d to broker %d: %w", best.ID, l.ID, err)
	}
	l.last, l.term = best.last, best.term
	return nil
}

// candidate returns the voter that should stand for election: the one whose
// log is best, or the first that has all of it.
func candidate(logs []*memberLog, best *memberLog) int32 {
	id := int32(-1)
	for _, l := range logs {
		if l.voter && !l.Absent && l.compare(best) == 0 && (id < 0 || l.ID < id) {
			id = l.ID
		}
	}
	return id
}
