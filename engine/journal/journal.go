package journal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/vfs"
)

// firstSegment is the size of the first segment of a new journal.
const firstSegment = 1 << 20

// Journal is the shared write-ahead journal. Its methods may be called from any
// goroutine.
type Journal struct {
	cfg  Config
	salt uint64

	mu      sync.Mutex // for what follows; held for a copy, never over a file or a channel
	err     error      // why nothing is appended
	filling *buffer    // what the next sync takes
	idle    *buffer    // what it gives back
	wakeup  chan struct{}

	pending atomic.Int64 // bytes that wait for their sync
	inUse   atomic.Int64 // bytes of segments that are in use and not pinned
	room    gate         // opened when one of the two shrinks

	// The sync loop alone has these.
	active *segment
	at     int64 // position of the next group
	seal   sealed

	synced   atomic.Int64 // position below which everything is synced
	released atomic.Int64 // position below which no entry is needed
	space    space

	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc
	ended  chan struct{} // closed when the loop has ended
	done   sync.WaitGroup
	closed sync.Once
	damage []Damage
}

func (c Config) withDefaults() Config {
	def := func(v *int64, def int64) {
		if *v <= 0 {
			*v = def
		}
	}
	def(&c.MaxBytes, 256<<20)
	def(&c.SegmentBytes, 16<<20)
	c.SegmentBytes = max(alignUp(min(c.SegmentBytes, c.MaxBytes/4), sectorSize), 4*sectorSize)
	def(&c.MaxPending, 32<<20)
	def((*int64)(&c.FullWait), int64(5*time.Second))
	def((*int64)(&c.CheckpointInterval), int64(30*time.Second))
	if c.Hub == nil {
		c.Hub = event.New()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Open reads what an earlier run left. It starts nothing. Damage in what had
// been synced is logged, told to the hub and returned by Damaged; entries around
// it are kept.
func Open(cfg Config) (*Journal, error) {
	j := &Journal{cfg: cfg.withDefaults(), filling: newBuffer(), idle: newBuffer(), wakeup: make(chan struct{}, 1), ended: make(chan struct{})}
	j.room.init()
	j.space.init()
	j.ctx, j.cancel = context.WithCancel(context.Background())
	st, err := load(j.cfg.FS)
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	if err := j.adopt(st); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the journal: %w", err), st.close())
	}
	return j, nil
}

// adopt reads all entries of what was found, for the marks of each segment.
func (j *Journal) adopt(st *stored) error {
	j.damage = st.damage
	for _, w := range st.walkers() {
		s := w.seg
		for {
			ok, err := w.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if w.damage != nil {
				j.damage = append(j.damage, *w.damage)
				w.damage = nil
				s.damaged = true
				continue
			}
			s.marks[w.frame.key] = max(s.marks[w.frame.key], w.frame.next)
		}
		if s.end = w.end(); w.torn > 0 {
			j.cfg.Logger.Info("the journal ends in a write that was not finished, which is left out", "file", s.name(), "bytes", w.torn)
		}
		j.at = max(j.at, s.end)
		j.released.Store(max(j.released.Load(), w.released))
	}
	for _, d := range j.damage {
		j.cfg.Logger.Error("the journal is damaged: entries are lost, which matters to logs that had not been synced", "damage", d.Error())
		j.cfg.Hub.Emit(event.State{Kind: event.JournalDamaged, Broker: -1, Partition: -1, A: d.Bytes, Text: d.Error()})
	}
	j.synced.Store(j.at)
	j.space.last = st.last
	for _, name := range st.halves {
		if err := j.cfg.FS.Remove(name); err != nil {
			return err
		}
	}
	return j.settle(st)
}

// settle takes over the files and the salt.
func (j *Journal) settle(st *stored) error {
	j.space.spares = st.spares
	for _, s := range st.segments {
		if s.end > j.released.Load() || s.damaged {
			j.space.used = append(j.space.used, s)
		} else if err := j.giveBack(s); err != nil {
			return err
		}
	}
	j.count()
	if j.salt = st.salt; j.salt == 0 {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		j.salt = binary.LittleEndian.Uint64(b[:]) | 1
	}
	raw, err := vfs.ReadFile(j.cfg.FS, saltFile)
	if err == nil && string(raw) == string(formatSalt(j.salt)) {
		return nil
	}
	if err := vfs.ReplaceFile(j.cfg.FS, saltFile, formatSalt(j.salt)); err != nil {
		return err
	}
	return j.cfg.FS.SyncDir(".")
}

// Damaged returns what Open could not read although it had been synced.
func (j *Journal) Damaged() []Damage { return j.damage }

// Start begins to take appends.
func (j *Journal) Start() error {
	if err := j.cfg.FS.SyncDir("."); err != nil {
		return fmt.Errorf("starting the journal: %w", err)
	}
	first, err := j.prepare(0)
	if err != nil {
		return fmt.Errorf("starting the journal: %w", err)
	}
	j.begin(first)
	if len(j.space.used) > 1 {
		j.space.soil() // what an earlier run left
	}
	j.done.Go(j.run)
	j.done.Go(j.keepReady)
	j.done.Go(j.keepRoom)
	return nil
}

// Admit waits until there is room, at most FullWait: nil at once while there
// is, ErrFull, ErrFailed, ErrClosed or the context's error. It comes before
// every append, while no lock is held.
func (j *Journal) Admit(ctx context.Context) error {
	if !j.full() {
		return nil
	}
	timeout := time.NewTimer(j.cfg.FullWait)
	defer timeout.Stop()
	for {
		opened := j.room.wait()
		if err := j.Err(); err != nil || !j.full() {
			return err
		}
		select {
		case <-opened:
		case <-timeout.C:
			return ErrFull
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (j *Journal) full() bool {
	return j.pending.Load() > j.cfg.MaxPending || j.inUse.Load() > j.cfg.MaxBytes
}

// Append copies an entry into the journal and returns; it never waits. w is told
// when the entry is durable. After an error (ErrFailed, ErrClosed) it is not
// told.
func (j *Journal) Append(e Entry, w Waiter) error {
	sum := checksum(e.Batches)
	j.mu.Lock()
	if err := j.err; err != nil {
		j.mu.Unlock()
		return err
	}
	wasEmpty := j.filling.empty()
	j.filling.add(&e, sum, w, !j.cfg.EachAlone)
	j.mu.Unlock()
	j.pending.Add(frameSize(len(e.Batches)))
	if wasEmpty {
		j.wake()
	}
	return nil
}

func (j *Journal) wake() {
	select {
	case j.wakeup <- struct{}{}:
	default:
	}
}

// Err says why the journal takes nothing: ErrFailed, ErrClosed, or nil.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// fail ends the journal for good: nothing is appended or acknowledged any more.
func (j *Journal) fail(err error) error {
	cause := err
	err = fmt.Errorf("%w: %w", ErrFailed, cause)
	j.mu.Lock()
	first := j.err == nil || errors.Is(j.err, ErrClosed)
	if first {
		j.err = err
	}
	j.mu.Unlock()
	j.room.open()
	if first {
		j.cfg.Logger.Error("the journal failed: nothing is acknowledged any more until Logarium is started again; reads go on", "err", err)
		j.cfg.Hub.Emit(event.State{Kind: event.BrokerFailed, Broker: -1, Partition: -1, Text: "the journal cannot be written: " + cause.Error()})
	}
	return err
}

// Close ends the journal after the syncs in hand. With clean, all logs are
// closed and synced: the next Open has nothing to recover.
func (j *Journal) Close(clean bool) error {
	var err error
	j.closed.Do(func() { err = j.close(clean) })
	return err
}

func (j *Journal) close(clean bool) error {
	j.mu.Lock()
	failed := j.err
	if failed == nil {
		j.err = ErrClosed
	}
	j.mu.Unlock()
	j.cancel()
	j.room.open()
	j.wake()
	j.done.Wait()
	var errs []error
	if clean && failed == nil && errors.Is(j.Err(), ErrClosed) {
		errs = append(errs, j.releaseAll())
	}
	for _, s := range j.space.used {
		errs = append(errs, s.file.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the journal: %w", err)
	}
	return nil
}

// gate lets waiters through each time it is opened.
type gate struct {
	mu     sync.Mutex
	opened chan struct{}
	wanted bool
}

func (g *gate) init() { g.opened = make(chan struct{}) }

// wait returns a channel that is closed at the next open.
func (g *gate) wait() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted = true
	return g.opened
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wanted {
		close(g.opened)
		g.opened, g.wanted = make(chan struct{}), false
	}
}
