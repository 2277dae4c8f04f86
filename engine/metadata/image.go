package metadata

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// NoLeader is the leader of a partition that has none.
const NoLeader int32 = -1

// Image is the state of the cluster after a record of the metadata log. It is
// immutable, and so is all that its methods return: do not change it.
type Image struct {
	offset         int64
	clusterID      string
	controller     int32
	epoch          int32
	nextProducerID int64
	partitions     int
	brokers        []Broker // by id
	topics         table[string, *Topic]
	byID           table[UUID, *Topic]
	folded         table[string, string]        // by CollidesAs, the names that CanCollide
	configs        map[string]map[string]string // dynamic broker settings by id; "" is the cluster's default
	static         map[string]string
	sorted         *sortedTopics
}

// Topic is a topic and its partitions, partition p at index p.
type Topic struct {
	ID         UUID
	Name       string
	Partitions []Partition
	// Config holds the settings that were set for this topic itself.
	Config map[string]string
	// Internal is set for the topics that brokers keep their own state in.
	Internal bool
}

// Partition is one partition of a topic. Replicas are in order of preference.
type Partition struct {
	Leader         int32 // NoLeader: none
	LeaderEpoch    int32 // grows at each election
	PartitionEpoch int32 // grows at each change
	Replicas, ISR  []int32
	// Adding and Removing are set while the partition is reassigned (KIP-455):
	// those of Replicas that are new, and those that leave in the end.
	Adding, Removing []int32
	// ELR are replicas that are not in sync and yet have all that was
	// acknowledged, since the ISR was below min.insync.replicas when they left
	// it (KIP-966). LastKnownELR were among them and then ended uncleanly; if
	// the ISR is empty it is the last leader alone.
	ELR, LastKnownELR []int32
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     UUID
	Partition int32
}

// Broker is a registered broker. A fenced broker leads nothing and is in no
// ISR.
type Broker struct {
	ID        int32
	Epoch     int64 // offset of the record that registered it
	Rack      string
	Listeners []Listener
	Fenced    bool
	// Draining is set while the broker is in controlled shutdown: it leads
	// nothing and joins no ISR.
	Draining bool
	// Incarnation tells one run of the broker from the next; zero for one that
	// was registered by an older version.
	Incarnation UUID
}

// Active says whether the broker may lead and be in sync.
func (b *Broker) Active() bool { return !b.Fenced && !b.Draining }

// Listener is an address that a broker advertises.
type Listener struct {
	Name string
	Host string
	Port int32
}

// Listener returns the address that the broker advertises for a listener name.
func (b *Broker) Listener(name string) (Listener, bool) {
	for _, l := range b.Listeners {
		if l.Name == name {
			return l, true
		}
	}
	return Listener{}, false
}

// NewImage returns the image before the first record. static holds the broker
// settings that were given at start (Kafka's server.properties); it is not
// part of the log and goes on to every later image.
func NewImage(static map[string]string) *Image {
	return &Image{
		offset:     -1,
		controller: -1,
		topics:     newTable[string, *Topic](hashName),
		byID:       newTable[UUID, *Topic](hashID),
		folded:     newTable[string, string](hashName),
		static:     static,
		sorted:     new(sortedTopics),
	}
}

// Offset is the offset of the last record applied, −1 before the first.
// Offsets count records from 0.
func (i *Image) Offset() int64 { return i.offset }

// ClusterID returns the cluster's id, empty before the first record.
func (i *Image) ClusterID() string { return i.clusterID }

// Controller returns the broker id of the active controller, −1 before the
// first election.
func (i *Image) Controller() int32 { return i.controller }

// ControllerEpoch returns the epoch of the active controller; it grows at each
// election.
func (i *Image) ControllerEpoch() int32 { return i.epoch }

// NextProducerID returns the first producer id that no broker was given.
func (i *Image) NextProducerID() int64 { return i.nextProducerID }

// PartitionCount returns the number of partitions of all topics.
func (i *Image) PartitionCount() int { return i.partitions }

// Brokers returns the registered brokers by id, the fenced ones included.
func (i *Image) Brokers() []Broker { return i.brokers }

// Broker returns a registered broker.
func (i *Image) Broker(id int32) (Broker, bool) {
	at, ok := i.findBroker(id)
	if !ok {
		return Broker{}, false
	}
	return i.brokers[at], true
}

func (i *Image) findBroker(id int32) (int, bool) {
	return slices.BinarySearchFunc(i.brokers, id, func(b Broker, id int32) int { return int(b.ID) - int(id) })
}

// Topic returns the topic of a name, nil if there is none.
func (i *Image) Topic(name string) *Topic {
	t, _ := i.topics.get(name)
	return t
}

// TopicByID returns the topic of an id, nil if there is none.
func (i *Image) TopicByID(id UUID) *Topic {
	t, _ := i.byID.get(id)
	return t
}

// Colliding returns the topic whose name differs from name in '.' and '_'
// alone, or is name; empty if there is none.
func (i *Image) Colliding(name string) string {
	if !CanCollide(name) {
		return ""
	}
	other, _ := i.folded.get(CollidesAs(name))
	return other
}

// TopicCount returns the number of topics.
func (i *Image) TopicCount() int { return i.topics.len() }

// Topics returns all topics by name. The first call on an image sorts them.
func (i *Image) Topics() []*Topic {
	i.sorted.once.Do(func() {
		list := make([]*Topic, 0, i.topics.len())
		i.topics.each(func(_ string, t *Topic) { list = append(list, t) })
		slices.SortFunc(list, func(a, b *Topic) int { return strings.Compare(a.Name, b.Name) })
		i.sorted.list = list
	})
	return i.sorted.list
}

// sortedTopics is filled at the first call of Image.Topics.
type sortedTopics struct {
	once sync.Once
	list []*Topic
}

// BrokerConfig returns the dynamic settings of one broker.
func (i *Image) BrokerConfig(id int32) map[string]string {
	return i.configs[strconv.Itoa(int(id))]
}

// ClusterConfig returns the dynamic settings that hold for all brokers.
func (i *Image) ClusterConfig() map[string]string { return i.configs[""] }

// StaticConfig returns the broker settings that were given at start.
func (i *Image) StaticConfig() map[string]string { return i.static }

// Int returns a whole number that is set for the topic itself.
func (t *Topic) Int(name string) (v int64, set bool) {
	text, set := t.Config[name]
	if !set {
		return 0, false
	}
	return mustInt(text), true
}

// Bool returns a setting that is true or false and set for the topic itself.
func (t *Topic) Bool(name string) (v, set bool) {
	text, set := t.Config[name]
	v, _ = parseBool(text)
	return v, set
}
