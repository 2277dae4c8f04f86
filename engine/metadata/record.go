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
)

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
}

// BrokerChangeRecord fences or unfences a registered broker.
type BrokerChangeRecord struct {
	ID     int32
	Fenced bool
}

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
}

// LeaderUnchanged in a PartitionChangeRecord keeps the leader and its epoch.
const LeaderUnchanged int32 = -2

// PartitionChangeRecord changes a partition. A Leader other than
// LeaderUnchanged raises the leader epoch by one, also when the leader stays
// the same; nil Replicas or ISR keep what is. The partition epoch always grows
// by one.
type PartitionChangeRecord struct {
	TopicID       UUID
	Partition     int32
	Leader        int32
	Replicas, ISR []int32
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
