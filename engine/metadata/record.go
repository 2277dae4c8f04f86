package metadata

// Record is one change of the cluster's state, as the metadata log holds it.
// The only implementations are the record types of this package.
type Record interface {
	kind() kind
	// append writes the fields of the record's newest version.
	append(b []byte) []byte
	// apply changes the image that e builds.
	apply(e *editor) error
}

// kind is the type of a record on disk. Never reuse a number.
type kind uint8

const (
	kindCluster            kind = 1
	kindController         kind = 2
	kindBrokerRegistration kind = 3
	kindBrokerChange       kind = 4
	kindTopic              kind = 5
	kindPartition          kind = 6
	kindPartitionChange    kind = 7
	kindRemoveTopic        kind = 8
	kindConfig             kind = 9
	kindProducerIDs        kind = 10
	kindUnregisterBroker   kind = 11
	kindLeaderEpochs       kind = 12
)

// Cause says why a broker or a partition was changed. It is kept with the
// change, for people. Never reuse a number.
type Cause uint8

// The causes.
const (
	CauseNone           Cause = 0
	CauseSession        Cause = 1  // no heartbeat within the session timeout
	CauseConnection     Cause = 2  // the connection to the broker was lost
	CauseShutdown       Cause = 3  // controlled shutdown
	CauseRegistration   Cause = 4  // a broker was registered again
	CauseGone           Cause = 5  // the broker is not part of this process any more
	CauseRequest        Cause = 6  // by request
	CauseFenced         Cause = 7  // of a partition: a broker was fenced
	CauseUnfenced       Cause = 8  // of a partition: a broker is back
	CausePreferred      Cause = 9  // of a partition: back to the preferred leader
	CauseUnclean        Cause = 10 // of a partition: unclean election, records may be lost
	CauseReassignment   Cause = 11 // of a partition
	CauseReplicaFailed  Cause = 12 // of a partition: the log of a replica cannot be used
	CauseLastKnown      Cause = 13 // of a partition: the last known leader leads again, records may be lost
	CauseInSync         Cause = 14 // of a partition: its leader changed the ISR
	CauseUncleanRestart Cause = 15 // of a partition: a broker is back whose last run did not end cleanly
	CauseStart          Cause = 16 // the process was started
	causes                    = 17
)

// String returns words for people, empty for CauseNone.
func (c Cause) String() string {
	switch c {
	case CauseSession:
		return "session timeout"
	case CauseConnection:
		return "connection lost"
	case CauseShutdown:
		return "controlled shutdown"
	case CauseRegistration:
		return "registered again"
	case CauseGone:
		return "no longer part of this cluster"
	case CauseRequest:
		return "by request"
	case CauseFenced:
		return "broker fenced"
	case CauseUnfenced:
		return "broker is back"
	case CausePreferred:
		return "preferred leader"
	case CauseUnclean:
		return "unclean election"
	case CauseReassignment:
		return "reassignment"
	case CauseReplicaFailed:
		return "replica failed"
	case CauseLastKnown:
		return "last known leader"
	case CauseInSync:
		return "replicas caught up or fell behind"
	case CauseUncleanRestart:
		return "unclean restart"
	case CauseStart:
		return "start"
	}
	return ""
}

// ClusterRecord names the cluster. It is the first record of a log.
type ClusterRecord struct{ ClusterID string }

// ControllerRecord is the first record of a newly elected controller. Epoch is
// its raft term.
type ControllerRecord struct{ ID, Epoch int32 }

// BrokerRegistrationRecord registers a broker, or registers it again with
// other listeners. Epoch is the offset that the record had in the log.
type BrokerRegistrationRecord struct {
	ID        int32
	Epoch     int64
	Rack      string
	Listeners []Listener
	Fenced    bool
	// Draining and Incarnation are new in version 1.
	Draining    bool
	Incarnation UUID
}

// BrokerChangeRecord fences or unfences a registered broker, or begins its
// controlled shutdown. Draining and Cause are new in version 1.
type BrokerChangeRecord struct {
	ID       int32
	Fenced   bool
	Draining bool
	Cause    Cause
}

// UnregisterBrokerRecord removes a broker. Its replicas stay assigned.
type UnregisterBrokerRecord struct{ ID int32 }

// LeaderEpochsRecord raises the leader epoch of every partition that has a
// leader by one: after a start of the process, what a leader had not yet
// synced may be lost to it while a follower has it under the old epoch.
type LeaderEpochsRecord struct{}

// TopicRecord makes a topic without partitions.
type TopicRecord struct {
	ID   UUID
	Name string
}

// PartitionRecord adds a partition to a topic; Partition is the number of
// partitions the topic has.
type PartitionRecord struct {
	TopicID        UUID
	Partition      int32
	Leader         int32
	LeaderEpoch    int32
	PartitionEpoch int32
	Replicas, ISR  []int32
	// The lists are new in version 1.
	Adding, Removing, ELR, LastKnownELR []int32
}

// LeaderUnchanged in a PartitionChangeRecord keeps the leader and its epoch.
const LeaderUnchanged int32 = -2

// PartitionChangeRecord changes a partition. A Leader other than
// LeaderUnchanged raises the leader epoch by one, also when the leader stays
// the same; a nil list keeps what is, an empty one clears it. The partition
// epoch always grows by one.
type PartitionChangeRecord struct {
	TopicID       UUID
	Partition     int32
	Leader        int32
	Replicas, ISR []int32
	// The lists and the cause are new in version 1.
	Adding, Removing, ELR, LastKnownELR []int32
	Cause                               Cause
}

// RemoveTopicRecord removes a topic with its partitions and settings.
type RemoveTopicRecord struct{ ID UUID }

// ResourceType is the protocol's number of what a setting belongs to.
type ResourceType int8

// The resources that have settings here.
const (
	ResourceTopic  ResourceType = 2
	ResourceBroker ResourceType = 4
)

// Resource names what a setting belongs to: a topic by its name, a broker by
// its id in decimal, all brokers by the empty name.
type Resource struct {
	Type ResourceType
	Name string
}

// ConfigRecord sets one setting, or removes it where Value is nil.
type ConfigRecord struct {
	Resource Resource
	Name     string
	Value    *string
}

// ProducerIDsRecord gives a broker the producer ids from the image's
// NextProducerID up to, not including, Next.
type ProducerIDsRecord struct {
	BrokerID int32
	Next     int64
}
