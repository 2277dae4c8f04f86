package replica

import (
	"context"
	"log/slog"
	"time"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// Durability says when what was appended counts as committed.
type Durability int

// The durabilities.
const (
	// Group commits after a sync that all logs with news share; the default.
	Group Durability = iota
	// OS commits when the operating system has the bytes: it outlives the
	// process and not the machine. Logs are synced each FlushInterval.
	OS
	// Memory is for logs that are not on disk; nothing is synced.
	Memory
)

// Config is what a Set needs to open.
type Config struct {
	BrokerID   int32
	FS         vfs.FS
	Durability Durability
	Hub        *event.Hub
	Logger     *slog.Logger
	// RetentionInterval is how often old segments are looked for
	// (log.retention.check.interval.ms); default 30 s (Kafka: 5 min).
	RetentionInterval time.Duration
}

// Set holds the partitions of one broker.
type Set struct{}

// Open prepares the folder.
func Open(cfg Config) (*Set, error) { return &Set{}, nil }

// Apply brings the partitions to a new image.
func (s *Set) Apply(img *metadata.Image, d *metadata.Delta) error { return nil }

// Partition returns a partition that this broker has a replica of.
func (s *Set) Partition(topic string, index int32) (*Partition, error) { return nil, nil }

// ByID returns a partition that this broker has a replica of.
func (s *Set) ByID(id metadata.UUID, index int32) (*Partition, error) { return nil, nil }

// Close ends all work and closes the logs.
func (s *Set) Close(clean bool) error { return nil }

// Partition is one partition on this broker.
type Partition struct{}

// AppendBatch appends one record batch that this broker built itself.
func (p *Partition) AppendBatch(batch []byte) (last int64, err error) { return 0, nil }

// Notify calls fn once: with nil when the high watermark has passed offset,
// with an error when it never will. fn must not block; it may be called before
// Notify returns.
func (p *Partition) Notify(offset int64, fn func(error)) {}

// WaitCommitted waits until the high watermark has passed offset.
func (p *Partition) WaitCommitted(ctx context.Context, offset int64) error { return nil }

// Read appends whole batches below the high watermark to dst.
func (p *Partition) Read(dst []byte, from int64, maxBytes int) ([]byte, error) { return dst, nil }

// Start returns the log start offset.
func (p *Partition) Start() int64 { return 0 }

// End returns the log end offset.
func (p *Partition) End() int64 { return 0 }
