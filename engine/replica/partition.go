package replica

import (
	"errors"
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

	leads      atomic.Bool
	leader     atomic.Int32 // broker id, NoLeader: none
	epoch      atomic.Int32
	epochStart atomic.Int64 // log end when this replica began to lead
	hw         atomic.Int64
	down       atomic.Pointer[problem] // why nothing can be appended or read, nil if all is well
	ended      atomic.Bool             // closed or deleted
	damaged    atomic.Bool             // to be repaired: it follows nobody
	flush      atomic.Int32            // syncState
	flushDue   atomic.Bool             // to be synced within flush.ms

	// writing is held over what changes the log's end or the role of the
	// replica, so that a leader appends in order and in its own epoch. Order:
	// writing, then mu, then what a session or a list guards its own with.
	writing   lock
	following *following // guarded by writing; nil if this replica follows nobody
	assigned  bool       // guarded by writing; it has been told who leads

	mu        sync.Mutex  // for what follows; never held over a call of the log that may wait for a disk
	failed    bool        // the log failed: reads go on
	watched   bool        // on the list of lagging
	minISR    int         // min.insync.replicas
	appended  int64       // bytes, since the start
	committed int64       // bytes below the high watermark, since the start
	led       *leadership // nil if this replica does not lead
	commits   []commitWaiter
	fetches   []*Waiter
	lows      []lowWaiter
	recent    recent

	journaling    *journaling   // of the last leader epoch of this replica
	direct        bool          // appends are synced in the log instead
	redone        redone        // what Open's log got from the journal
	flushMessages int64         // flush.messages
	flushWithin   time.Duration // flush.ms; negative: not set
	counted       int64         // log end when uncounted was last added to
	uncounted     int64         // records since the last sync
	heldFrom      int64         // with OS, what is from here on commits when all is synced up to
	heldTo        int64         // here
}

func newPartition(s *Set, t *metadata.Topic, index int32) *Partition {
	p := &Partition{set: s, topic: t.Name, id: t.ID, index: index, writing: newLock()}
	p.leader.Store(metadata.NoLeader)
	p.counters = s.cfg.Hub.Partition(p.key())
	return p
}

// ref names the partition.
func (p *Partition) ref() PartitionID { return PartitionID{p.id, p.index} }

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
func (p *Partition) LastStable() int64 {
	if p.log == nil {
		return 0
	}
	return p.log.LastStable(p.hw.Load())
}

// Aborted returns the aborted transactions that concern a reader of committed
// records from an offset up to another one.
func (p *Partition) Aborted(from, upTo int64) ([]storage.AbortedTxn, error) {
	if err := p.ServesReads(); err != nil {
		return nil, err
	}
	return p.log.Aborted(from, upTo)
}

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

// ServesReads is Serves for clients that may read from followers, too
// (KIP-392).
func (p *Partition) ServesReads() error {
	if d := p.down.Load(); d != nil {
		return d
	}
	if !p.leads.Load() && p.leader.Load() == metadata.NoLeader {
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

// Read appends whole batches to dst, committed or not, the first of them the
// one that holds offset from, up to maxBytes but at least one batch.
func (p *Partition) Read(dst []byte, from int64, maxBytes int) ([]byte, error) {
	if d := p.down.Load(); d != nil {
		return dst, d
	}
	return p.log.Read(dst, from, p.log.End(), maxBytes, true)
}

// Fetch is Read for clients, from a leader or a follower: below upTo, which is
// not above the high watermark, and where minOne is not set, no batch that does
// not fit into maxBytes.
func (p *Partition) Fetch(dst []byte, from, upTo int64, maxBytes int, minOne bool) ([]byte, error) {
	if err := p.ServesReads(); err != nil {
		return dst, err
	}
	out, err := p.log.Read(dst, from, min(upTo, p.hw.Load()), maxBytes, minOne)
	if err != nil {
		p.readFailed(err)
	}
	return out, err
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

func (p *Partition) emit(e event.State) {
	e.Broker, e.Topic, e.Partition = p.set.cfg.BrokerID, p.topic, p.index
	p.set.cfg.Hub.Emit(e)
}

// open opens the log. The high watermark starts at what it was when that was
// last written down.
func (p *Partition) open(c settings, last lastRun) error {
	s := p.set
	l, found, err := storage.Open(storage.Options{
		FS: s.cfg.FS, Dir: p.dir(), TopicID: p.id, Config: c.log, Clean: last.clean, RecoveryPoint: last.points[p.dir()], PointKnown: last.points != nil,
		ProducerExpiration: s.cfg.ProducerExpiration, Files: s.files, Logger: s.cfg.Logger,
		Remover: s.remover, Throttle: s.throttle,
		OnCorrupt: func(c storage.Corruption) { s.repairs.add(p, errors.New(c.Reason)) },
	})
	if err != nil {
		return err
	}
	p.log, p.minISR, p.flushMessages, p.flushWithin = l, c.minISR, c.flushMessages, c.flushInterval
	hw := min(max(last.watermarks[p.dir()], l.Start()), l.End())
	p.hw.Store(hw)
	if found.BytesCut > 0 {
		p.emit(event.State{Kind: event.LogRecovered, A: found.BytesCut})
	}
	for _, c := range found.Corrupt {
		if c.Unsynced { // what was acknowledged of it is in the journal
			continue
		}
		s.cfg.Logger.Error("a log was damaged; the damaged bytes are kept aside", "log", p.dir(),
			"fromOffset", c.From, "toOffset", c.To, "bytes", c.Bytes, "file", c.Quarantine, "reason", c.Reason)
		s.repairs.add(p, errors.New(c.Reason))
	}
	g := p.counters
	g.LogStart.Store(l.Start())
	g.LogEnd.Store(l.End())
	g.HighWatermark.Store(hw)
	g.Offline.Store(false)
	p.measure()
	return nil
}

// measure sets the gauges of size.
func (p *Partition) measure() {
	p.counters.SizeBytes.Store(p.log.Size())
	p.counters.Segments.Store(int64(len(p.log.Segments())))
}

func (p *Partition) configure(c settings) {
	if p.log == nil {
		return
	}
	p.log.SetConfig(c.log)
	p.mu.Lock()
	p.minISR, p.flushMessages, p.flushWithin = c.minISR, c.flushMessages, c.flushInterval
	var done, few waiters
	if p.led != nil {
		if done = p.rise(); p.underMinISR() {
			few = p.takeAcks()
		}
	}
	p.mu.Unlock()
	done.tell(nil)
	few.tell(errTooFewAfter)
}

// fail takes the partition offline: nothing is appended or read.
func (p *Partition) fail(err error) {
	p.down.Store(&problem{kerr.KafkaStorageError, err.Error()})
	p.counters.Offline.Store(true)
	p.emit(event.State{Kind: event.BrokerFailed, Text: err.Error()})
	p.set.repairs.add(p, err)
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
	p.ended.Store(true)
	p.down.Store(why)
	p.writing.lock()
	p.unfollow()
	p.writing.unlock()
	p.mu.Lock()
	p.leads.Store(false)
	p.led = nil
	waiting := p.take(len(p.commits))
	p.failLows(why)
	p.wake()
	p.mu.Unlock()
	waiting.tell(why)
}
