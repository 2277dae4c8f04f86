package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// scripted is a run of a log that is the same every time, until its disk fails.
// It keeps account of what is promised at each moment.
type scripted struct {
	t       *testing.T
	disk    vfs.FS
	compact bool
	log     *Log
	point   int64 // a recovery point, as the broker would have stored it
	clean   bool  // the log was closed cleanly, and nothing came after

	written map[int64]map[string]bool // by offset: whatever was ever written there
	now     map[int64]string          // what the log has there, as far as it goes
	keys    map[int64]string
	synced  int64 // below it, and not below start, all of now must be found
	start   int64 // the log start is here at least …
	most    int64 // … and here at most
	reset   int64 // a reset to this offset is under way, or over if the log is empty; -1: none
	seq     map[int64]int32
	gone    bool // records were deleted from the start: state cannot be replayed in full
}

func newScripted(t *testing.T, disk vfs.FS, compact bool) *scripted {
	return &scripted{
		t: t, disk: disk, compact: compact, written: map[int64]map[string]bool{}, now: map[int64]string{}, keys: map[int64]string{},
		reset: -1, seq: map[int64]int32{},
	}
}

func (s *scripted) options(disk vfs.FS) Options {
	o := testOptions(disk)
	o.Config.SegmentBytes = 900
	o.Config.CleanupCompact, o.Config.CleanupDelete = s.compact, !s.compact
	o.Config.MinCleanableRatio = 0
	o.Config.DeleteRetention = 0
	o.RecoveryPoint, o.Clean = s.point, s.clean
	return o
}

func (s *scripted) open() error {
	l, _, err := Open(s.options(s.disk))
	if err != nil {
		return err
	}
	s.log, s.clean = l, false
	s.synced = max(s.synced, l.Synced())
	return nil
}

// append appends n records, of a producer if id is not 0.
func (s *scripted) append(id int64, transactional bool, n int) func() error {
	return func() error {
		b := batch.NewBuilder(batch.BuilderOptions{
			Producer: id > 0, ProducerID: id, Sequence: s.seq[id], Transactional: transactional, LeaderEpoch: 2, BaseOffset: s.log.End(),
		})
		end := s.log.End()
		for i := range n {
			o := end + int64(i)
			key, value := fmt.Sprint("k", o%5), fmt.Sprintf("%d.%d.%d", o, len(s.written[o]), id)
			if s.written[o] == nil {
				s.written[o] = map[string]bool{}
			}
			s.written[o][value], s.now[o], s.keys[o] = true, value, key
			b.Append(testNow.UnixMilli(), []byte(key), []byte(value), nil)
		}
		s.seq[id] += int32(n)
		return s.take(b.Build(), FromCoordinator)
	}
}

func (s *scripted) end(id int64, commit bool) func() error {
	return func() error {
		delete(s.now, s.log.End())
		return s.take(batch.NewMarker(id, 0, batch.Marker{Commit: commit, CoordinatorEpoch: 1}, 0), FromCoordinator)
	}
}

func (s *scripted) take(b []byte, from Origin) error {
	_, err := s.log.Append(b, AppendOptions{Now: testNow, Origin: from, LeaderEpoch: int32(s.log.End() / 20)})
	if err == nil {
		s.reset = -1 // it is over, and the log has something else again
	}
	return err
}

func (s *scripted) sync() error {
	through, err := s.log.Sync()
	if err == nil {
		s.synced, s.point = through, through
	}
	return err
}

func (s *scripted) roll() error { return s.log.Roll(testNow) }

func (s *scripted) truncate(back int64) func() error {
	return func() error {
		to := s.log.End() - back
		// Batches go as a whole: at most three records.
		s.synced = min(s.synced, to-2)
		err := s.log.Truncate(to)
		if err == nil {
			s.synced = min(s.synced, s.log.End())
			for _, p := range s.log.Producers() {
				s.seq[p.ID] = p.LastSequence + 1
			}
		}
		return err
	}
}

func (s *scripted) resetTo(ahead int64) func() error {
	return func() error {
		s.reset = s.log.End() + ahead
		err := s.log.Reset(s.reset)
		if err == nil {
			s.start, s.most, s.synced = s.reset, s.reset, s.reset
			s.seq, s.gone = map[int64]int32{}, false
		}
		return err
	}
}

func (s *scripted) deleteRecords() error {
	to := s.log.Start() + (s.synced-s.log.Start())/2
	s.most, s.gone = max(s.most, to), true
	err := s.log.DeleteRecords(to)
	if err == nil {
		s.start = to
	}
	return err
}

func (s *scripted) retain() error {
	c := s.log.Config()
	c.RetentionBytes = 1500
	s.log.SetConfig(c)
	s.gone, s.most = true, max(s.most, s.synced)
	_, err := s.log.Retain(testNow, s.synced)
	if err == nil {
		s.start = s.log.Start()
		s.most = s.start
	}
	return err
}

func (s *scripted) clear() error {
	_, err := s.log.Compact(s.t.Context(), testNow, s.synced)
	return err
}

func (s *scripted) reopen() error {
	if err := s.log.Close(true); err != nil {
		return err
	}
	s.synced, s.clean = s.log.End(), true
	s.point = s.synced
	if err := s.open(); err != nil {
		return err
	}
	return nil
}

// steps is the script.
func (s *scripted) steps() []func() error {
	most := []func() error{
		s.open, s.append(0, false, 3), s.append(1, false, 2), s.append(2, true, 1), s.sync, s.append(3, true, 3), s.append(2, true, 2), s.roll,
		s.append(0, false, 3), s.end(2, false), s.append(2, true, 3), s.append(1, false, 3), s.sync, s.end(3, true), s.append(0, false, 2), s.append(0, false, 3),
		s.append(1, false, 2), s.end(2, true), s.append(3, true, 3), s.sync, s.append(0, false, 3), s.append(0, false, 3),
	}
	if s.compact {
		return append(most, s.clear, s.append(0, false, 3), s.end(3, false), s.roll, s.append(0, false, 3), s.sync, s.clear, s.append(1, false, 3), s.reopen,
			s.append(0, false, 3), s.truncate(5), s.append(0, false, 2), s.roll, s.append(0, false, 2), s.sync, s.clear, s.reopen)
	}
	return append(most, s.truncate(7), s.append(0, false, 3), s.sync, s.reopen, s.append(3, true, 2), s.append(1, false, 3), s.append(0, false, 3), s.sync, s.deleteRecords,
		s.append(0, false, 3), s.retain, s.append(0, false, 3), s.sync, s.truncate(2), s.resetTo(5), s.append(1, false, 3), s.append(2, true, 2), s.append(0, false, 3), s.end(2, false),
		s.sync, s.append(0, false, 3), s.append(0, false, 3), s.truncate(1), s.reopen, s.append(0, false, 2))
}

// run runs the script until the end or the disk's, and reports which.
func (s *scripted) run() (finished bool) {
	for i, step := range s.steps() {
		if err := step(); errors.Is(err, vfs.ErrCrashed) {
			return false
		} else if err != nil {
			s.t.Fatalf("step %d: %v", i, err)
		}
	}
	return true
}

// check opens what a power cut left and holds it against what was promised.
func (s *scripted) check(disk vfs.FS) {
	t := s.t
	t.Helper()
	o := s.options(disk)
	l, r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(false); err != nil {
			t.Error(err)
		}
	}()
	if s.reset >= 0 && l.Start() == s.reset && l.End() == s.reset {
		return // it is empty, as it is to be
	}
	for _, c := range r.Corrupt {
		if c.From < s.synced || c.Bytes == 0 { // nothing is missing that was promised
			t.Errorf("damage below %d, which was synced: %+v", s.synced, c)
		}
	}
	if l.Start() < s.start || l.Start() > s.most || l.End() < s.synced {
		t.Fatalf("the log has %d to %d; its start must be %d to %d, its end %d at least", l.Start(), l.End(), s.start, s.most, s.synced)
	}
	s.checkRecords(l)
	checkIndexes(t, l)
	s.checkState(l)
}

func (s *scripted) checkRecords(l *Log) {
	t := s.t
	t.Helper()
	got, previous := map[int64]string{}, int64(-1)
	for next := l.Start(); next < l.End(); {
		b, err := l.Read(nil, next, l.End(), 500, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			break
		}
		for one := range batch.Split(b) {
			h, err := batch.Validate(one, stored)
			if err != nil {
				t.Fatal(err)
			}
			if !s.compact && previous >= 0 && h.BaseOffset != previous+1 {
				t.Errorf("a batch at %d after %d", h.BaseOffset, previous)
			}
			next, previous = h.LastOffset()+1, h.LastOffset()
			if h.IsControl() {
				continue
			}
			for r, err := range batch.Records(one, stored) {
				if err != nil {
					t.Fatal(err)
				}
				if _, twice := got[r.Offset]; twice || !s.written[r.Offset][string(r.Value)] {
					t.Errorf("offset %d has %q, twice: %v; written were %v", r.Offset, r.Value, twice, s.written[r.Offset])
				}
				got[r.Offset] = string(r.Value)
			}
		}
	}
	newest := map[string]int64{}
	for o, key := range s.keys {
		if _, ok := got[o]; ok && o < l.End() {
			newest[key] = max(newest[key], o)
		}
	}
	for o := l.Start(); o < s.synced; o++ {
		value, isRecord := s.now[o]
		if !isRecord || got[o] == value {
			continue
		}
		if _, there := got[o]; s.compact && !there && (newest[s.keys[o]] > o || s.fate(o)) {
			continue // superseded, or aborted
		}
		t.Errorf("offset %d has %q, synced was %q", o, got[o], value)
	}
}

// fate reports whether the record at an offset is of a transaction that the
// script aborts.
func (s *scripted) fate(o int64) bool {
	var id int64
	for i := len(s.now[o]) - 1; i >= 0; i-- {
		if s.now[o][i] == '.' {
			id = int64(s.now[o][i+1] - '0')
			break
		}
	}
	return id == 2 || id == 3
}

// checkState holds what is known of producers and transactions against a replay
// of the batches.
func (s *scripted) checkState(l *Log) {
	t := s.t
	t.Helper()
	p := newProducers(Forever, 100)
	aborted := []AbortedTxn(nil)
	for _, seg := range l.view.Load().segments {
		if err := l.replayInto(p, seg, 0, maxOffset, testNow, func(a AbortedTxn) { aborted = append(aborted, a) }); err != nil {
			t.Fatal(err)
		}
	}
	known := l.producers
	if s.gone || s.compact {
		for id, want := range p.byID {
			if have := known.byID[id]; have == nil || have.epoch != want.epoch ||
				want.last() != nil && (have.last() == nil || have.last().lastOffset != want.last().lastOffset || have.last().lastSequence != want.last().lastSequence) {
				t.Errorf("producer %d is known as %+v, the batches say %+v", id, have, want)
			}
		}
		return
	}
	for id, want := range p.byID {
		if have := known.byID[id]; have != nil {
			want.seen = have.seen
			want.next, want.batches = have.next, rotated(want, have)
		}
	}
	if !reflect.DeepEqual(known.byID, p.byID) && len(known.byID)+len(p.byID) > 0 {
		t.Errorf("producers are known as %v, the batches say %v", known.list(), p.list())
	}
	if got, want := l.LastStable(l.End()), p.txns.lastStable(l.End()); got != want {
		t.Errorf("last stable offset %d, the batches say %d", got, want)
	}
	if got, err := l.Aborted(0, l.End()); err != nil || !reflect.DeepEqual(got, aborted) {
		t.Errorf("aborted: %+v, %v; the batches say %+v", got, err, aborted)
	}
}

// rotated is a producer's ring of batches, turned as another one's is.
func rotated(p, like *producer) (ring [producerBatches]producerBatch) {
	i := int(like.next) + producerBatches - int(p.count)
	p.each(func(b *producerBatch) {
		ring[i%producerBatches] = *b
		i++
	})
	return ring
}

// cuts are the ways in which the power is cut.
var cuts = []vfs.CrashConfig{vfs.LoseAll(), vfs.PowerCut(), {}, {LosePage: 0.5, TearPage: 0.5, LoseName: 0.3, LoseSize: 0.2}}

// TestPowerCutAtEveryCall cuts the power at every call of a scripted run to the
// file system, and again at every call of the recovery from that.
func TestPowerCutAtEveryCall(t *testing.T) {
	seeds, stride := 1, 1
	if testing.Short() {
		seeds, stride = 1, 7
	}
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprint("compact=", compact), func(t *testing.T) {
			t.Parallel()
			calls := 0
			for skip, finished := 0, false; !finished; skip++ {
				calls++
				for seed := range seeds {
					at := func() string { return fmt.Sprintf("cut at call %d, seed %d", skip, seed) }
					disk := vfs.NewCrashable()
					if err := errors.Join(disk.MkdirAll("logs"), disk.SyncDir(".")); err != nil {
						t.Fatal(err)
					}
					faulty := vfs.NewFaulty(disk, 1)
					faulty.Inject(vfs.Fault{Skip: skip, Err: vfs.ErrCrashed})
					s := newScripted(t, faulty, compact)
					finished = s.run()
					if s.log != nil {
						if err := s.log.Close(false); err != nil {
							t.Fatal(err)
						}
					}
					rng := rand.New(rand.NewPCG(uint64(skip), uint64(seed)))
					left := disk.Crash(rng, cuts[(skip+seed)%len(cuts)])
					s.check(left.Crash(rng, vfs.CrashConfig{}))
					if t.Failed() {
						t.Fatal(at())
					}
					for again, over := skip%stride, false; !over; again += stride {
						over = cutRecovery(t, s, left, rng, again)
						if t.Failed() {
							t.Fatalf("%s, and at call %d of the recovery", at(), again)
						}
					}
				}
			}
			if calls < 150 {
				t.Errorf("the run has only %d calls", calls)
			}
		})
	}
}

// cutRecovery cuts the power at one call of opening the log, and checks what
// opening it again makes of it. over: it took fewer calls.
func cutRecovery(t *testing.T, s *scripted, left *vfs.Mem, rng *rand.Rand, skip int) (over bool) {
	disk := left.Crash(rng, vfs.CrashConfig{})
	faulty := vfs.NewFaulty(disk, 1)
	over = true
	faulty.Inject(vfs.Fault{Skip: skip, Err: vfs.ErrCrashed, Do: func(vfs.Op, string) { over = false }})
	if l, _, err := Open(s.options(faulty)); err == nil {
		if err := l.Close(false); err != nil {
			t.Fatal(err)
		}
	} else if !errors.Is(err, vfs.ErrCrashed) {
		t.Fatal(err)
	}
	s.check(disk.Crash(rng, cuts[skip%len(cuts)]))
	return over
}
