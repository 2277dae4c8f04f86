package controller

import (
	"context"
	"log/slog"
	"time"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// Config is what a controller needs to open.
type Config struct {
	ID int32 // this broker's, above 0; one of Voters or Learners
	// Voters are the brokers whose controllers decide by majority, Learners all
	// others: they have the log and the image, and ask the voters. Both are the
	// same for all controllers of a cluster.
	Voters, Learners []int32
	FS               vfs.FS
	Dir              string // folder of the metadata log in FS; "__cluster_metadata-0" if empty
	// Peers reaches the other controllers. It may be nil if there is none.
	Peers Peers
	// Brokers are those that start with this process, each with the incarnation
	// of this run, the same for all controllers. The first active controller of
	// the process registers them, unfenced and with the partitions that they
	// led and were in sync for, under new leader epochs; brokers of earlier runs
	// that are missing here are fenced. Nil for a controller that starts later,
	// whose broker registers itself.
	Brokers []metadata.Broker
	// StaticDefaults are broker settings given at start.
	StaticDefaults map[string]string
	// ClusterID names a new cluster; a random one if it is empty.
	ClusterID string
	Hub       *event.Hub
	Logger    *slog.Logger
	// TickInterval is the unit of raft's clock, 50 ms if 0: an election starts
	// after 10 to 19 ticks without a leader's word. Who is alone and who is a
	// learner has no clock.
	TickInterval time.Duration
	// SessionTimeout is how long a broker counts as alive without a heartbeat
	// (broker.session.timeout.ms); 0: as that setting says; negative: for ever.
	SessionTimeout time.Duration
	// Campaign has the voter stand for election at once, as Prepare advises.
	Campaign bool
	// MaxReplicationFactor is the highest replication factor that topics may
	// have, 1 if 0.
	MaxReplicationFactor int
	// SnapshotBytes is the size of the log after which a snapshot is taken and
	// the log is cut, 4 MiB if 0.
	SnapshotBytes int64
	// NewID makes topic ids; metadata.NewUUID if nil.
	NewID func() metadata.UUID
}

// Peers reaches the controllers of other brokers.
type Peers interface {
	// Send sends a raft message, which the receiver hands to
	// Controller.Receive, or loses it. It must not block; the message is not
	// changed afterwards.
	Send(to int32, message []byte)
	// Ask goes to another broker, calls fn with its controller, and comes back.
	// It returns ctx's error soon after ctx has ended, and never before fn has
	// returned; an error at once if that broker is down.
	Ask(ctx context.Context, to int32, fn func(*Controller) error) error
}

// NewTopic asks for a topic.
type NewTopic struct {
	Name              string
	Partitions        int32 // -1: the default (num.partitions), or as Assignment says
	ReplicationFactor int16 // -1: the default (default.replication.factor), or as Assignment says
	// Assignment places each partition by hand; nil lets the controller do it.
	Assignment []Assignment
	Configs    []ConfigOp // each a Set
}

// Assignment places the replicas of a partition, the preferred leader first.
type Assignment struct {
	Partition int32
	Replicas  []int32
}

// TopicRef names a topic by its id, or by its name where the id is zero.
type TopicRef struct {
	ID   metadata.UUID
	Name string
}

// NewPartitions asks that a topic have Count partitions.
type NewPartitions struct {
	Topic string
	Count int32
	// Assignment holds the replicas of each new partition; nil lets the
	// controller place them.
	Assignment [][]int32
}

// TopicResult answers for one topic. Err is nil on success; else errors.As
// finds a *kerr.Error in it, and its words are for the client.
type TopicResult struct {
	Name              string
	ID                metadata.UUID
	Partitions        int32
	ReplicationFactor int16
	// Config holds the settings of the topic itself.
	Config map[string]string
	Err    error
}

// OpType says what a ConfigOp does.
type OpType int8

// The operations on a setting, by their number in IncrementalAlterConfigs.
const (
	Set      OpType = 0
	Delete   OpType = 1
	Append   OpType = 2 // adds to a list
	Subtract OpType = 3 // takes from a list
)

// ConfigOp changes one setting.
type ConfigOp struct {
	Op    OpType
	Name  string
	Value *string
}

// ConfigAlteration changes the settings of one resource, all or none.
type ConfigAlteration struct {
	Resource metadata.Resource
	// Replace removes each setting that Ops, all of them Set, does not name.
	Replace bool
	Ops     []ConfigOp
}

// ConfigResult answers for one resource; Err is as in TopicResult.
type ConfigResult struct {
	Resource metadata.Resource
	Err      error
}

// CreateTopics makes topics, each for itself. The results are in the order of
// the request.
func (c *Controller) CreateTopics(ctx context.Context, topics []NewTopic, validateOnly bool) []TopicResult {
	return call(ctx, c, command[[]TopicResult](createTopics{topics, validateOnly}), func(err error) []TopicResult {
		out := make([]TopicResult, len(topics))
		for i, t := range topics {
			out[i] = TopicResult{Name: t.Name, Err: err}
		}
		return out
	})
}

// DeleteTopics removes topics, each for itself. The results are in the order
// of the request.
func (c *Controller) DeleteTopics(ctx context.Context, topics []TopicRef) []TopicResult {
	return call(ctx, c, command[[]TopicResult](deleteTopics{topics}), func(err error) []TopicResult {
		out := make([]TopicResult, len(topics))
		for i, t := range topics {
			out[i] = TopicResult{Name: t.Name, ID: t.ID, Err: err}
		}
		return out
	})
}

// CreatePartitions adds partitions to topics, each for itself. The results are
// in the order of the request.
func (c *Controller) CreatePartitions(ctx context.Context, topics []NewPartitions, validateOnly bool) []TopicResult {
	return call(ctx, c, command[[]TopicResult](createPartitions{topics, validateOnly}), func(err error) []TopicResult {
		out := make([]TopicResult, len(topics))
		for i, t := range topics {
			out[i] = TopicResult{Name: t.Topic, Err: err}
		}
		return out
	})
}

// AlterConfigs changes settings, each resource for itself. The results are in
// the order of the request.
func (c *Controller) AlterConfigs(ctx context.Context, alterations []ConfigAlteration, validateOnly bool) []ConfigResult {
	return call(ctx, c, command[[]ConfigResult](alterConfigs{alterations, validateOnly}), func(err error) []ConfigResult {
		out := make([]ConfigResult, len(alterations))
		for i, a := range alterations {
			out[i] = ConfigResult{Resource: a.Resource, Err: err}
		}
		return out
	})
}

// AllocateProducerIDs gives a broker the producer ids first to first+count-1.
// No id is ever given twice.
func (c *Controller) AllocateProducerIDs(ctx context.Context, brokerID int32) (first int64, count int32, err error) {
	r := call(ctx, c, command[producerIDsResult](allocateProducerIDs{brokerID}), func(err error) producerIDsResult { return producerIDsResult{err: err} })
	return r.first, r.count, r.err
}
