package replica

import (
	"log/slog"
	"time"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/vfs"
)

// Durability says when what was appended counts as committed.
type Durability int

// The durabilities.
const (
	// Group commits what a sync has covered; while one sync of a log runs, the
	// next collects. The default.
	Group Durability = iota
	// OS commits what the operating system has: it outlives the process and
	// not the machine. Logs are synced within FlushInterval.
	OS
	// Memory commits at once and never syncs.
	Memory
	// Always is Group with a sync for each batch on its own.
	Always
)

// Config is what a Set needs to open. FS and Hub are required; a zero interval
// or count takes its default.
type Config struct {
	BrokerID   int32
	FS         vfs.FS // the broker's folder
	Durability Durability
	// Journal is where leaders write to with durability Group and Always; nil:
	// each log is synced on its own. With any durability it may have what logs
	// lack after a crash.
	Journal *journal.Journal
	// BulkBytes is how much a partition with one replica must be given during one
	// sync of the journal to be synced in its log instead; default 256 KiB, below
	// 0: never.
	BulkBytes int
	Hub       *event.Hub
	Logger    *slog.Logger
	// Syncers is how many logs are synced at the same time; default 4.
	Syncers int
	// FlushInterval is how long an append that commits do not wait for may wait
	// for its sync, where the topic's flush.ms says nothing; default 1 s.
	FlushInterval time.Duration
	// RetentionInterval is how often old segments are looked for
	// (log.retention.check.interval.ms); default 30 s (Kafka: 5 min).
	RetentionInterval time.Duration
	// CompactionInterval is how often logs are looked at for compaction
	// (log.cleaner.backoff.ms); default 15 s.
	CompactionInterval time.Duration
	// CheckpointInterval is how often recovery points are written
	// (log.flush.offset.checkpoint.interval.ms); default 60 s.
	CheckpointInterval time.Duration
	// WatermarkInterval is how often high watermarks are written, if any moved
	// (replica.high.watermark.checkpoint.interval.ms); default 5 s.
	WatermarkInterval time.Duration
	// OpenFiles bounds the open files of older segments; default 1024.
	OpenFiles int
	// ProducerExpiration forgets an idle producer (producer.id.expiration.ms);
	// default 24 h.
	ProducerExpiration time.Duration
	// Peers and Cluster are how replicas of the same partition on other brokers
	// are reached and agreed upon; without them only a partition of one replica
	// goes on.
	Peers   Peers
	Cluster Cluster
	// LagTimeMax is how long a follower may be behind its leader before it
	// leaves the ISR (replica.lag.time.max.ms); default 10 s (Kafka: 30 s).
	LagTimeMax time.Duration
	// FetchMaxBytes bounds the batches of one answer to a follower
	// (replica.fetch.response.max.bytes); default 512 KiB (Kafka: 10 MiB).
	FetchMaxBytes int
	// FetchBackoff is how long a follower waits for a leader that it could not
	// reach (replica.fetch.backoff.ms); default 100 ms (Kafka: 1 s).
	FetchBackoff time.Duration
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c Config) withDefaults() Config {
	orDefault(&c.Syncers, 4)
	orDefault(&c.FlushInterval, time.Second)
	orDefault(&c.BulkBytes, 256<<10)
	orDefault(&c.RetentionInterval, 30*time.Second)
	orDefault(&c.CompactionInterval, 15*time.Second)
	orDefault(&c.CheckpointInterval, time.Minute)
	orDefault(&c.WatermarkInterval, 5*time.Second)
	orDefault(&c.OpenFiles, 1024)
	orDefault(&c.ProducerExpiration, 24*time.Hour)
	orDefault(&c.LagTimeMax, 10*time.Second)
	orDefault(&c.FetchMaxBytes, 512<<10)
	orDefault(&c.FetchBackoff, 100*time.Millisecond)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("broker", c.BrokerID)
	return c
}
