package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// script drives a log with a seed until its disk fails, and remembers what was
// promised.
type script struct {
	rng     *rand.Rand
	compact bool
	log     *Log
	now     time.Time

	written   map[int64]string // by offset: what was appended, or may have been
	keys      map[int64]string
	next      int64
	synced    int64 // told by Sync
	point     int64 // a recovery point, as a checkpoint would have it
	deleted   int64 // told by DeleteRecords
	sequences map[int64]int32
	clean     bool
}

func (s *script) options(fs vfs.FS) Options {
	o := testOptions(fs)
	o.Config.SegmentBytes = 1500
	o.Config.CleanupCompact = s.compact
	o.Config.CleanupDelete = !s.compact
	o.Config.MinCleanableRatio = 0
	o.Config.RetentionBytes = 6000
	o.RecoveryPoint = s.point
	o.Clean = s.clean
	return o
}

// step does one thing.
func (s *script) step() error {
	switch n := s.rng.IntN(100); {
	case n < 60:
		return s.append()
	case n < 80:
		through, err := s.log.Sync()
		if err != nil {
			return err
		}
		s.synced = max(s.synced, through)
		if s.rng.IntN(3) == 0 {
			s.point = s.synced
		}
		return nil
	case n < 85:
		return s.log.Roll(s.now)
	case n < 90:
		_, err := s.log.Retain(s.now, s.synced)
		return err
	case n < 93 && !s.compact:
		to := s.log.Start() + s.rng.Int64N(max(s.synced-s.log.Start(), 0)/2+1)
		if err := s.log.DeleteRecords(to); err != nil {
			return err
		}
		s.deleted = max(s.deleted, to)
		return nil
	case n < 96 && s.compact:
		_, err := s.log.Compact(context.Background(), s.now, s.synced)
		return err
	case n < 98:
		to := s.synced + s.rng.Int64N(s.log.End()-s.synced+1)
		if err := s.log.Truncate(to); err != nil {
			return err
		}
		s.next = s.log.End()
		s.sequences = map[int64]int32{} // truncated producers start over
		for _, p := range s.log.Producers() {
			s.sequences[p.ID] = p.LastSequence + 1
		}
		return nil
	}
	s.now = s.now.Add(time.Minute)
	return nil
}

func (s *script) append() error {
	o := batch.BuilderOptions{Codec: []batch.Codec{batch.None, batch.None, batch.Snappy}[s.rng.IntN(3)]}
	n := 1 + s.rng.IntN(4)
	if id := s.rng.Int64N(4); id > 0 {
		o.Producer, o.ProducerID, o.Sequence = true, id, s.sequences[id]
		s.sequences[id] += int32(n)
	}
	b := batch.NewBuilder(o)
	for i := range n {
		key := fmt.Sprint("k", s.rng.IntN(8))
		value := fmt.Sprintf("%d:%d:%x", s.next+int64(i), s.rng.IntN(1000), make([]byte, s.rng.IntN(60)))
		b.Append(s.now.UnixMilli(), []byte(key), []byte(value), nil)
		s.written[s.next+int64(i)], s.keys[s.next+int64(i)] = value, key
	}
	a, err := s.log.Append(b.Build(), AppendOptions{LeaderEpoch: int32(s.next / 50), Now: s.now})
	if err != nil {
		return err
	}
	if a.First != s.next {
		return fmt.Errorf("appended at %d, not %d", a.First, s.next)
	}
	s.next = a.Last + 1
	return nil
}

// check holds a recovered log against what was promised.
func (s *script) check(t *testing.T, l *Log, r Recovered) {
	t.Helper()
	for _, c := range r.Corrupt {
		if c.From < s.synced {
			t.Errorf("damage reported below %d, which was synced: %+v", s.synced, c)
		}
	}
	if l.End() < s.synced || l.Start() < s.deleted {
		t.Fatalf("the log has %d to %d, but %d was deleted and %d synced", l.Start(), l.End(), s.deleted, s.synced)
	}
	got := map[int64]string{}
	previous, latest := int64(-1), map[string]int64{}
	for _, line := range readAll(t, l, 700) {
		var offset int64
		var value string
		if _, err := fmt.Sscanf(line, "%d=%s", &offset, &value); err != nil {
			t.Fatal(err)
		}
		if offset <= previous {
			t.Errorf("offset %d after %d", offset, previous)
		}
		if s.written[offset] != value {
			t.Errorf("offset %d has %q, written was %q", offset, value, s.written[offset])
		}
		previous, got[offset] = offset, value
	}
	for o := l.Start(); o < l.End(); o++ {
		latest[s.keys[o]] = o
	}
	for o := l.Start(); o < l.End(); o++ {
		if _, ok := got[o]; !ok && (!s.compact || latest[s.keys[o]] == o) {
			t.Errorf("offset %d of %d to %d is missing", o, l.Start(), l.End())
		}
	}
	checkIndexes(t, l)
	checkProducers(t, l, s)
}

// checkIndexes holds the indexes against a linear scan.
func checkIndexes(t *testing.T, l *Log) {
	t.Helper()
	for _, s := range l.view.Load().segments {
		h, err := s.open()
		if err != nil {
			t.Fatal(err)
		}
		x, err := s.loaded(h, 200)
		if err != nil {
			t.Fatal(err)
		}
		sum, want := emptySummary(s.base), s.summary()
		sum.end, sum.aborted = s.base, want.aborted // of which checkTxns has a say
		positions := map[int64]int64{}
		sc := newScanner(h.file, 0, s.size.Load())
		for sc.next() {
			positions[sc.header.BaseOffset-s.base] = sc.pos
			if sc.pos == 0 {
				sum.firstTimestamp = sc.header.MaxTimestamp
			}
			if sc.header.MaxTimestamp > sum.maxTimestamp {
				sum.maxTimestamp, sum.maxTimestampAt = sc.header.MaxTimestamp, sc.header.BaseOffset
			}
			sum.end, sum.size, sum.lastPosition, sum.lastCRC = sc.header.LastOffset()+1, sc.ahead, sc.pos, sc.header.CRC
		}
		if sc.err != nil {
			t.Fatal(sc.err)
		}
		sc.close()
		if sum != want {
			t.Errorf("segment %d is known as %+v, a scan finds %+v", s.base, want, sum)
		}
		for _, e := range x.offsets.view() {
			if pos, ok := positions[e.rel()]; !ok || pos != e.pos() {
				t.Errorf("segment %d: index says %d is at %d, a scan %d", s.base, e.rel(), e.pos(), pos)
			}
		}
		for _, e := range x.times.view() {
			if _, ok := positions[int64(e.rel)]; !ok || e.ts > sum.maxTimestamp {
				t.Errorf("segment %d: time index has %+v", s.base, e)
			}
		}
		if err := h.release(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkProducers holds what is remembered of producers against the batches.
func checkProducers(t *testing.T, l *Log, s *script) {
	t.Helper()
	last := map[int64]int32{}
	for _, seg := range l.view.Load().segments {
		if err := l.eachHeader(seg, func(sc *scanner) {
			if sc.header.ProducerID >= 0 {
				last[sc.header.ProducerID] = sc.header.LastSequence()
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range l.Producers() {
		if want, ok := last[p.ID]; ok && want != p.LastSequence {
			t.Errorf("producer %d: last sequence %d, the batches say %d", p.ID, p.LastSequence, want)
		}
		delete(last, p.ID)
	}
	if len(last) > 0 {
		t.Errorf("producers forgotten: %v", last)
	}
}

// lives runs a script over several crashes of one disk.
func lives(t *testing.T, seed uint64, compact bool) {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &script{
		rng: rng, compact: compact, now: testNow, written: map[int64]string{}, keys: map[int64]string{}, sequences: map[int64]int32{},
	}
	disk := vfs.NewCrashable()
	if err := errors.Join(disk.MkdirAll("logs"), disk.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		faulty := vfs.NewFaulty(disk, seed)
		faulty.Inject(vfs.Fault{Skip: 5 + rng.IntN(400), Err: vfs.ErrCrashed})
		l, _, err := Open(s.options(faulty))
		if err == nil {
			s.log, s.next, s.synced = l, l.End(), max(s.synced, l.Synced())
			s.clean = false
			for _, p := range l.Producers() {
				s.sequences[p.ID] = p.LastSequence + 1
			}
			for err == nil {
				err = s.step()
			}
			if !errors.Is(err, vfs.ErrCrashed) {
				t.Fatal(err)
			}
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
		}
		disk = crash(rng, disk)
		s.recover(t, disk)
		if t.Failed() {
			return
		}
	}
}

// crash kills the process or cuts the power.
func crash(rng *rand.Rand, disk *vfs.Mem) *vfs.Mem {
	switch rng.IntN(4) {
	case 0:
		return disk.Kill()
	case 1:
		return disk.Crash(rng, vfs.LoseAll())
	}
	return disk.Crash(rng, vfs.PowerCut())
}

// recover opens the log twice, checks it, and closes it cleanly or not at all.
func (s *script) recover(t *testing.T, disk vfs.FS) {
	t.Helper()
	l, r, err := Open(s.options(disk))
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, l, r)
	segments, producers := l.Segments(), producersOf(l)
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	again, r, err := Open(s.options(disk))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Corrupt) > 0 || r.BytesCut > 0 {
		t.Errorf("recovering again found %+v", r)
	}
	if got := again.Segments(); !slices.Equal(got, segments) {
		t.Errorf("recovered again it has %+v, before %+v", got, segments)
	}
	if got := producersOf(again); !reflect.DeepEqual(got, producers) {
		t.Errorf("recovered again it has %+v, before %+v", got, producers)
	}
	s.clean = s.rng.IntN(2) == 0
	s.synced = again.Synced()
	if err := again.Close(s.clean); err != nil {
		t.Fatal(err)
	}
	if s.clean {
		s.point = s.synced
		l, r, err := Open(s.options(disk))
		if err != nil {
			t.Fatal(err)
		}
		if r.SegmentsScanned > 0 {
			t.Errorf("a clean log was scanned: %+v", r)
		}
		s.check(t, l, r)
		if err := l.Close(false); err != nil {
			t.Fatal(err)
		}
		s.clean = false
	}
}

func producersOf(l *Log) map[int64]int32 {
	got := map[int64]int32{}
	for _, p := range l.Producers() {
		got[p.ID] = p.LastSequence
	}
	return got
}

func TestCrashes(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprint("compact=", compact), func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { lives(t, seed, compact) }) {
					break
				}
			}
		})
	}
}
