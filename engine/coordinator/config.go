package coordinator

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/logarium/logarium/engine/coordinator/group"
	"github.com/logarium/logarium/engine/event"
)

// OffsetsTopic is the internal topic that holds groups and committed offsets.
const OffsetsTopic = "__consumer_offsets"

// Config configures the coordinators of one broker. A zero setting takes its
// default, which is Kafka's unless its comment says otherwise.
type Config struct {
	BrokerID int32
	// Partitions is how many partitions __consumer_offsets has, or will have
	// when it is made (offsets.topic.num.partitions); default 12 (Kafka: 50).
	Partitions int32
	Hub        *event.Hub
	Logger     *slog.Logger

	// MinSessionTimeout and MaxSessionTimeout bound what a JoinGroup may ask
	// for (group.min.session.timeout.ms, group.max.session.timeout.ms);
	// defaults 6 s and 30 min. Outside: INVALID_SESSION_TIMEOUT.
	MinSessionTimeout, MaxSessionTimeout time.Duration
	// InitialRebalanceDelay is how long the first rebalance of an empty group
	// waits for more members (group.initial.rebalance.delay.ms); default 0
	// (Kafka: 3 s).
	InitialRebalanceDelay time.Duration
	// NewMemberJoinTimeout is how long a member that was never in the group may
	// wait for its first rebalance without a session; default 5 min.
	NewMemberJoinTimeout time.Duration
	// MaxGroupSize is how many members a group may have (group.max.size);
	// default: no limit. Above: GROUP_MAX_SIZE_REACHED.
	MaxGroupSize int
	// OffsetMetadataMax is how many bytes of metadata a committed offset may
	// carry (offset.metadata.max.bytes); default 4096. Above:
	// OFFSET_METADATA_TOO_LARGE.
	OffsetMetadataMax int
	// OffsetsRetention is how long offsets outlive the group or subscription
	// that needs them (offsets.retention.minutes); default 7 days.
	OffsetsRetention time.Duration
	// OffsetsRetentionCheck is how often expired offsets and empty groups are
	// looked for (offsets.retention.check.interval.ms); default 10 min.
	OffsetsRetentionCheck time.Duration
	// CommitTimeout is how long a request waits for the log to commit what it
	// wrote (offsets.commit.timeout.ms); default 5 s. After that its answer is
	// COORDINATOR_NOT_AVAILABLE, and what it wrote may or may not hold.
	CommitTimeout time.Duration
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c Config) withDefaults() Config {
	orDefault(&c.Partitions, 12)
	orDefault(&c.MinSessionTimeout, 6*time.Second)
	orDefault(&c.MaxSessionTimeout, 30*time.Minute)
	orDefault(&c.NewMemberJoinTimeout, 5*time.Minute)
	orDefault(&c.OffsetMetadataMax, 4096)
	orDefault(&c.OffsetsRetention, 7*24*time.Hour)
	orDefault(&c.OffsetsRetentionCheck, 10*time.Minute)
	orDefault(&c.CommitTimeout, 5*time.Second)
	if c.Hub == nil {
		c.Hub = event.New()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// settings are the rules as the machine takes them.
func (c *Config) settings() group.Settings {
	return group.Settings{
		MinSessionTimeout:     c.MinSessionTimeout,
		MaxSessionTimeout:     c.MaxSessionTimeout,
		InitialRebalanceDelay: c.InitialRebalanceDelay,
		NewMemberJoinTimeout:  c.NewMemberJoinTimeout,
		MaxGroupSize:          c.MaxGroupSize,
		OffsetMetadataMax:     c.OffsetMetadataMax,
		OffsetsRetention:      c.OffsetsRetention,
		OffsetsRetentionCheck: c.OffsetsRetentionCheck,
		NewID:                 newUUID,
		Logger:                c.Logger,
	}
}

// newUUID returns a random UUID (version 4) as Java writes one.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand ends the process first
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
