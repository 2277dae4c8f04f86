package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
)

// Set holds the partitions of one broker and the workers that they share. All
// methods may be called from any goroutine, but Apply from one at a time.
type Set struct {
	cfg      Config
	files    *storage.FileCache
	remover  *storage.Remover
	throttle *storage.Throttle // of compaction
	flush    *flusher
	last     lastRun // forgotten after the first Apply
	born     time.Time
	image    atomic.Pointer[metadata.Image]
	up       atomic.Pointer[map[int32]int64] // brokers that may be in an ISR, and their epochs
	isFull   atomic.Bool                     // the disk had no space for the last append
	moved    atomic.Bool                     // a high watermark did, since they were written
	over     context.Context                 // ends with the Set
	stop     context.CancelFunc
	workers  sync.WaitGroup

	pointing lock // held while recovery points are written
	sessions sessions
	fetchers fetchers
	proposer proposer
	lag      lagging
	repairs  repairs

	mu     sync.RWMutex // for what follows
	byName map[string]*topic
	byID   map[metadata.UUID]*topic
	closed bool
}

// topic is what a Set has of one topic: partition p at index p, nil where
// another broker has it.
type topic struct {
	name  string
	id    metadata.UUID
	parts []*Partition
}

// Open reads how the last run ended and starts the workers. Logs are opened by
// the first Apply.
func Open(cfg Config) (*Set, error) {
	cfg = cfg.withDefaults()
	s := &Set{
		cfg: cfg, files: storage.NewFileCache(cfg.OpenFiles), throttle: storage.NewThrottle(0),
		byName: map[string]*topic{}, byID: map[metadata.UUID]*topic{}, born: time.Now(),
	}
	s.fetchers.set, s.pointing = s, newLock()
	s.proposer.wakeup, s.lag.wakeup, s.repairs.wakeup = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	var err error
	if s.last, err = readLastRun(cfg.FS, cfg.Logger); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.over, s.stop = ctx, stop
	s.flush = startFlusher(cfg)
	s.remover = storage.StartRemover(cfg.Logger)
	s.workers.Go(func() { every(ctx, cfg.RetentionInterval, s.retain) })
	s.workers.Go(func() { every(ctx, cfg.CompactionInterval, s.compact) })
	s.workers.Go(func() { every(ctx, cfg.CheckpointInterval, s.checkpoint) })
	s.workers.Go(func() { every(ctx, cfg.WatermarkInterval, s.checkpointWatermarks) })
	s.workers.Go(func() { s.propose(ctx) })
	s.workers.Go(func() { s.watchLag(ctx) })
	s.workers.Go(func() { s.repair(ctx) })
	return s, nil
}

// every calls fn each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, fn func(context.Context)) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			fn(ctx)
		}
	}
}

// Clean says whether the last run of the broker ended with Close(true).
func (s *Set) Clean() bool { return s.last.clean }

// Partition returns a replica by its topic's name: UNKNOWN_TOPIC_OR_PARTITION
// if the cluster has no such partition, NOT_LEADER_OR_FOLLOWER if another
// broker has it.
func (s *Set) Partition(name string, index int32) (*Partition, error) {
	s.mu.RLock()
	t := s.byName[name]
	s.mu.RUnlock()
	return s.at(t, index, func(img *metadata.Image) *metadata.Topic { return img.Topic(name) }, kerr.UnknownTopicOrPartition)
}

// ByID is Partition by topic id; an id that the cluster does not know is
// UNKNOWN_TOPIC_ID.
func (s *Set) ByID(id metadata.UUID, index int32) (*Partition, error) {
	s.mu.RLock()
	t := s.byID[id]
	s.mu.RUnlock()
	return s.at(t, index, func(img *metadata.Image) *metadata.Topic { return img.TopicByID(id) }, kerr.UnknownTopicID)
}

func (s *Set) at(t *topic, index int32, find func(*metadata.Image) *metadata.Topic, unknown error) (*Partition, error) {
	if t != nil && index >= 0 && int(index) < len(t.parts) && t.parts[index] != nil {
		return t.parts[index], nil
	}
	img := s.image.Load()
	if img == nil {
		return nil, unknown
	}
	switch mt := find(img); {
	case mt == nil:
		return nil, unknown
	case index < 0 || int(index) >= len(mt.Partitions):
		return nil, kerr.UnknownTopicOrPartition
	}
	return nil, kerr.NotLeaderForPartition
}

// Partitions returns all replicas of this broker, in no order.
func (s *Set) Partitions() []*Partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*Partition
	for _, t := range s.byID {
		for _, p := range t.parts {
			if p != nil {
				out = append(out, p)
			}
		}
	}
	return out
}

// Close ends the workers, answers who still waits with an error, and closes
// the logs. A clean close syncs them first and leaves a mark by which the next
// start need not read them; a close that is not clean leaves everything as a
// crash of the process would.
func (s *Set) Close(clean bool) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.fetchers.mu.Lock() // none starts after this
	s.stop()
	s.fetchers.mu.Unlock()
	s.workers.Wait()
	s.flush.close()
	parts := s.Partitions()
	var g errgroup.Group
	g.SetLimit(openAtOnce)
	errs := make([]error, len(parts))
	for i, p := range parts {
		g.Go(func() error {
			errs[i] = p.close(clean)
			return nil
		})
	}
	_ = g.Wait() // the goroutines put their errors into errs
	s.remover.Close()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing logs: %w", err)
	}
	if !clean {
		return nil
	}
	if err := errors.Join(s.writeCheckpoint(parts), s.writeWatermarks(parts)); err != nil {
		return err
	}
	return writeCleanMark(s.cfg.FS)
}

// Kill ends the Set as the loss of its process would: nothing more is written.
func (s *Set) Kill() error { return s.Close(false) }
