package event

import "time"

// Kind names what a State event tells.
type Kind string

// The kinds of state events. A and B hold the numbers that each comment names.
const (
	BrokerStarted     Kind = "broker.started"      // Broker; Text is the advertised address
	BrokerStopped     Kind = "broker.stopped"      // Broker
	BrokerFailed      Kind = "broker.failed"       // Broker, -1 for the journal of all; Text is the cause (disk failure, crash)
	BrokerKilled      Kind = "broker.killed"       // Broker; as by power: connections cut, nothing flushed
	BrokerPaused      Kind = "broker.paused"       // Broker; it neither reads nor answers
	BrokerResumed     Kind = "broker.resumed"      // Broker
	BrokerRegistered  Kind = "broker.registered"   // Broker, Epoch is -1; A the broker epoch
	BrokerFenced      Kind = "broker.fenced"       // Broker; Text is the cause (session timeout, connection lost, shutdown)
	BrokerUnfenced    Kind = "broker.unfenced"     // Broker
	BrokerDraining    Kind = "broker.draining"     // Broker; controlled shutdown: its leaders move away
	ControllerElected Kind = "controller.elected"  // Broker, Epoch
	TopicCreated      Kind = "topic.created"       // Topic; A partitions, B replication factor
	TopicDeleted      Kind = "topic.deleted"       // Topic
	PartitionsAdded   Kind = "partitions.added"    // Topic; A count before, B count after
	ConfigChanged     Kind = "config.changed"      // Topic or Broker; Text lists the names
	LeaderElected     Kind = "leader.elected"      // Topic, Partition, Broker (-1: none), Epoch
	IsrShrunk         Kind = "isr.shrunk"          // Topic, Partition, Broker that left; A size after
	IsrExpanded       Kind = "isr.expanded"        // Topic, Partition, Broker that joined; A size after
	ReplicasChanged   Kind = "replicas.changed"    // Topic, Partition; Text is "old -> new" replicas, e.g. "[1 2] -> [2 3]"
	FollowerStarted   Kind = "follower.started"    // Topic, Partition, Broker follows; A its log end, B the leader
	SegmentRolled     Kind = "segment.rolled"      // Topic, Partition, Broker; A base offset of the new segment
	SegmentDeleted    Kind = "segment.deleted"     // Topic, Partition, Broker; A base offset, B bytes
	LogStartMoved     Kind = "log.start.moved"     // Topic, Partition, Broker; A before, B after
	LogTruncated      Kind = "log.truncated"       // Topic, Partition, Broker; A end before, B end after
	LogCompacted      Kind = "log.compacted"       // Topic, Partition, Broker; A bytes before, B bytes after
	LogRecovered      Kind = "log.recovered"       // Topic, Partition, Broker; A bytes cut from the tail
	DiskFull          Kind = "disk.full"           // Broker; records cannot be appended until there is space; Text is the cause
	DiskFree          Kind = "disk.free"           // Broker; there is space again
	JournalDamaged    Kind = "journal.damaged"     // A bytes that had been synced and cannot be read; Text says where
	ClientConnected   Kind = "client.connected"    // Broker, ClientID; Text is the software name and version
	ClientGone        Kind = "client.disconnected" // Broker, ClientID
	GroupCreated      Kind = "group.created"       // Group
	GroupDeleted      Kind = "group.deleted"       // Group
	GroupState        Kind = "group.state"         // Group, Epoch is the generation; Text is the new state
	MemberJoined      Kind = "member.joined"       // Group, Member, ClientID
	MemberLeft        Kind = "member.left"         // Group, Member, ClientID; Text is the cause: leave, timeout
	AssignmentChanged Kind = "assignment.changed"  // Group, Member, Epoch is the generation; Text is the assignment
	OffsetsReset      Kind = "offsets.reset"       // Group, Topic; committed by a client outside the group
)

// State is one change of state. Seq is gap-free and starts at 1 for each
// process; At carries both the wall clock and the process's monotonic clock.
type State struct {
	Seq       uint64
	At        time.Time
	Kind      Kind
	Broker    int32 // -1 where no broker is meant
	Topic     string
	Partition int32 // -1 where no partition is meant
	Group     string
	Member    string
	ClientID  string
	Epoch     int32
	A, B      int64
	Text      string
}
