package replica

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
)

// Partition is this broker's replica of one partition.
type Partition struct {
	set      *Set
	topic    string
	id       metadata.UUID
	index    int32
	log      *storage.Log // nil if it could not be opened
	counters *event.Partition

	leads atomic.Bool
	epoch atomic.Int32
	hw    atomic.Int64
	down  atomic.Pointer[problem] // why nothing can be appended or read, nil if all is well
	flush atomic.Int32            // syncState

	mu        sync.Mutex // for what follows and for appends, in this order: mu, then the log's own
	failed    bool       // the log failed: reads go on
	appended  int64      // bytes, since the start
	committed int64      // bytes below the high watermark, since the start
	commits   []commitWaiter
	fetches   []*Waiter
	recent    recent
}

func newPartition(s *Set, t *metadata.Topic, index int32) *Partition {
	p := &Partition{set: s, topic: t.Name, id: t.ID, index: index}
	p.counters = s.cfg.Hub.Partition(p.key())
	return p
}

// dir is the log's folder.
func (p *Partition) dir() string { return folder(p.topic, p.index) }

// Topic, ID and Index name the partition.
func (p *Partition) Topic() string { return p.topic }

// ID is the topic's id.
func (p *Partition) ID() metadata.UUID { return p.id }

// Index is the partition's number.
func (p *Partition) Index() int32 { return p.index }

// Counters are the hub's for this replica.
func (p *Partition) Counters() *event.Partition { return p.counters }

// Leader says whether this replica leads, and the leader epoch.
func (p *Partition) Leader() (leads bool, epoch int32) { return p.leads.Load(), p.epoch.Load() }

// HighWatermark is the offset below which everything is committed.
func (p *Partition) HighWatermark() int64 { return p.hw.Load() }

// LastStable is the offset below which no transaction is open. Without
// transactions that is the high watermark.
func (p *Partition) LastStable() int64 { return p.hw.Load() }

// Start returns the log start offset.
func (p *Partition) Start() int64 {
	if p.log == nil {
		return 0
	}
	return p.log.Start()
}

// End returns the log end offset: that of the next record.
func (p *Partition) End() int64 {
	if p.log == nil {
		return 0
	}
	return p.log.End()
}

// Config returns the settings of the log.
func (p *Partition) Config() storage.Config {
	if p.log == nil {
		return storage.DefaultConfig()
	}
	return p.log.Config()
}

// Log returns the log for what only reads it: offsets by time, epochs,
// producers, segments. It fails with KAFKA_STORAGE_ERROR and
// NOT_LEADER_OR_FOLLOWER.
func (p *Partition) Log() (*storage.Log, error) {
	if err := p.Serves(); err != nil {
		return nil, err
	}
	return p.log, nil
}

// Serves says why the partition answers no client here, nil if it does.
func (p *Partition) Serves() error {
	if d := p.down.Load(); d != nil {
		return d
	}
	if !p.leads.Load() {
		return errNotLeader
	}
	return nil
}

// CheckEpoch holds the leader epoch that a client believes in, -1 for none,
// against ours: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH (KIP-320).
func (p *Partition) CheckEpoch(clients int32) error {
	switch ours := p.epoch.Load(); {
	case clients < 0 || clients == ours:
		return nil
	case clients < ours:
		return kerr.FencedLeaderEpoch
	}
	return kerr.UnknownLeaderEpoch
}

// Append appends batches that batch.Validate has passed, changing them in
// place, and returns when the operating system has them; see Notify for when
// they are committed.
func (p *Partition) Append(batches []byte, from storage.Origin) (storage.Appended, error) {
	if err := p.Serves(); err != nil {
		return storage.Appended{}, err
	}
	p.mu.Lock()
	now := time.Now()
	a, err := p.log.Append(batches, storage.AppendOptions{LeaderEpoch: p.epoch.Load(), Now: now, Origin: from})
	var told waiters
	switch {
	case err == nil && !a.Duplicate:
		told = p.count(a, now)
	case err != nil && p.log.Failed() != nil:
		waiting := p.broken(err)
		p.mu.Unlock()
		waiting.tell(storageError(err))
		return a, err
	}
	p.mu.Unlock()
	told.tell(nil)
	return a, err
}

// count accounts for an append and has it synced; mu is held.
func (p *Partition) count(a storage.Appended, now time.Time) (told waiters) {
	p.appended += int64(a.Bytes)
	p.recent.add(a.Last, now)
	c := p.counters
	c.RecordsIn.Add(int64(a.Records))
	c.BytesIn.Add(int64(a.Bytes))
	c.LogEnd.Store(a.Last + 1)
	c.SizeBytes.Add(int64(a.Bytes))
	if a.Rolled >= 0 {
		c.Segments.Add(1)
		p.emit(event.State{Kind: event.SegmentRolled, A: a.Rolled})
	}
	if p.set.cfg.Durability != Group {
		told = p.advance(a.Last+1, p.appended)
	}
	p.set.flush.add(p)
	return told
}

// AppendBatch appends one batch that this broker built itself and returns the
// offset of its last record.
func (p *Partition) AppendBatch(batch []byte) (last int64, err error) {
	a, err := p.Append(batch, storage.FromCoordinator)
	return a.Last, err
}

// Read appends whole batches to dst, committed or not, the first of them the
// one that holds offset from, up to maxBytes but at least one batch.
func (p *Partition) Read(dst []byte, from int64, maxBytes int) ([]byte, error) {
	if d := p.down.Load(); d != nil {
		return dst, d
	}
	return p.log.Read(dst, from, p.log.End(), maxBytes, true)
}

// Fetch is Read for clients: committed batches only, and where minOne is not
// set, none that does not fit into maxBytes.
func (p *Partition) Fetch(dst []byte, from int64, maxBytes int, minOne bool) ([]byte, error) {
	if err := p.Serves(); err != nil {
		return dst, err
	}
	return p.log.Read(dst, from, p.hw.Load(), maxBytes, minOne)
}

// Estimate guesses how many bytes Fetch will find from an offset on, by the
// mean size of a record.
func (p *Partition) Estimate(from int64) int64 {
	start, end := p.log.Start(), p.log.End()
	if end <= start {
		return 0
	}
	each := float64(p.counters.SizeBytes.Load()) / float64(end-start)
	return int64(each * float64(p.hw.Load()-from))
}

// DeleteRecords moves the log start up to before (-1: the high watermark) and
// returns it: OFFSET_OUT_OF_RANGE above the high watermark.
func (p *Partition) DeleteRecords(before int64) (start int64, err error) {
	if err := p.Serves(); err != nil {
		return -1, err
	}
	hw := p.hw.Load()
	if before == -1 {
		before = hw
	}
	if before < 0 || before > hw {
		return -1, kerr.OffsetOutOfRange
	}
	old := p.log.Start()
	if before > old {
		if err := p.log.DeleteRecords(before); err != nil {
			return -1, err
		}
		p.movedStart(old)
	}
	return p.log.Start(), nil
}

// movedStart tells that the log start moved from old to where it is now.
func (p *Partition) movedStart(old int64) {
	now := p.log.Start()
	if now == old {
		return
	}
	p.counters.LogStart.Store(now)
	p.emit(event.State{Kind: event.LogStartMoved, A: old, B: now})
}

func (p *Partition) emit(e event.State) {
	e.Broker, e.Topic, e.Partition = p.set.cfg.BrokerID, p.topic, p.index
	p.set.cfg.Hub.Emit(e)
}

// open opens the log; the high watermark starts at what is known to be synced.
func (p *Partition) open(cfg storage.Config, clean bool, point int64) error {
	s := p.set
	l, found, err := storage.Open(storage.Options{
		FS: s.cfg.FS, Dir: p.dir(), TopicID: p.id, Config: cfg, Clean: clean, RecoveryPoint: point,
		ProducerExpiration: s.cfg.ProducerExpiration, Files: s.files, Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	p.log = l
	hw := l.End()
	if s.cfg.Durability == Group {
		hw = max(l.Synced(), l.Start())
	}
	p.hw.Store(hw)
	if found.BytesCut > 0 {
		p.emit(event.State{Kind: event.LogRecovered, A: found.BytesCut})
	}
	for _, c := range found.Corrupt {
		s.cfg.Logger.Error("a log was damaged; the damaged bytes are kept aside", "log", p.dir(),
			"fromOffset", c.From, "toOffset", c.To, "bytes", c.Bytes, "file", c.Quarantine, "reason", c.Reason)
	}
	c := p.counters
	c.LogStart.Store(l.Start())
	c.LogEnd.Store(l.End())
	c.HighWatermark.Store(hw)
	p.measure()
	if hw < l.End() {
		s.flush.add(p)
	}
	return nil
}

// measure sets the gauges of size.
func (p *Partition) measure() {
	p.counters.SizeBytes.Store(p.log.Size())
	p.counters.Segments.Store(int64(len(p.log.Segments())))
}

// lead takes over who leads the partition.
func (p *Partition) lead(mp *metadata.Partition) error {
	if p.log == nil {
		return nil
	}
	leads := mp.Leader == p.set.cfg.BrokerID
	p.mu.Lock()
	if leads && p.log.LatestEpoch() < mp.LeaderEpoch {
		if err := p.log.SetEpoch(mp.LeaderEpoch, p.log.End()); err != nil {
			waiting := p.broken(err)
			p.mu.Unlock()
			waiting.tell(storageError(err))
			return fmt.Errorf("leading %s: %w", p.dir(), err)
		}
	}
	p.epoch.Store(mp.LeaderEpoch)
	p.leads.Store(leads)
	p.counters.Leader.Store(leads)
	p.counters.LeaderEpoch.Store(mp.LeaderEpoch)
	var waiting waiters
	if !leads {
		waiting = p.take(len(p.commits))
	}
	p.wake()
	p.mu.Unlock()
	waiting.tell(errNotLeader)
	return nil
}

func (p *Partition) configure(cfg storage.Config) {
	if p.log != nil {
		p.log.SetConfig(cfg)
	}
}

// fail takes the partition offline: nothing is appended or read.
func (p *Partition) fail(err error) {
	p.down.Store(&problem{kerr.KafkaStorageError, err.Error()})
	p.emit(event.State{Kind: event.BrokerFailed, Text: err.Error()})
	p.set.cfg.Logger.Error("a partition is offline", "log", p.dir(), "err", err)
}

// broken marks the log as one that takes no more appends; mu is held. Reads of
// what is committed go on. The caller tells those that are returned.
func (p *Partition) broken(err error) waiters {
	if p.failed {
		return nil
	}
	p.failed = true
	p.emit(event.State{Kind: event.BrokerFailed, Text: err.Error()})
	p.set.cfg.Logger.Error("a log failed and takes no more records until the broker is started again", "log", p.dir(), "err", err)
	return p.take(len(p.commits))
}

// close ends the replica; see Set.Close.
func (p *Partition) close(clean bool) error {
	p.end(errClosed)
	if p.log == nil {
		return nil
	}
	if err := p.log.Close(clean && p.log.Failed() == nil); err != nil {
		return fmt.Errorf("%s: %w", p.dir(), err)
	}
	if clean && p.log.Failed() != nil {
		return fmt.Errorf("%s: %w", p.dir(), p.log.Failed())
	}
	return nil
}

// delete ends the replica and removes its folder.
func (p *Partition) delete() error {
	p.end(errDeleted)
	p.set.cfg.Hub.DropPartition(p.key())
	var err error
	if p.log != nil {
		err = p.log.Delete()
	} else if id, unreadable := storage.ReadTopicID(p.set.cfg.FS, p.dir()); unreadable == nil && id == p.id {
		err = p.set.cfg.FS.RemoveAll(p.dir())
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", p.dir(), err)
	}
	return nil
}

// end answers everybody who waits with why, and takes no more requests.
func (p *Partition) end(why *problem) {
	p.down.Store(why)
	p.leads.Store(false)
	p.mu.Lock()
	waiting := p.take(len(p.commits))
	p.wake()
	p.mu.Unlock()
	waiting.tell(why)
}
