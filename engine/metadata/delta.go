package metadata

// Delta tells what a run of records changed. A topic that was made and removed
// within the run is in neither list; one that was removed and made again under
// the same name is in both, with different ids: take deletions first.
type Delta struct {
	// TopicsCreated are new, with all their partitions and settings, which are
	// not told again below.
	TopicsCreated []*Topic
	// TopicsDeleted are as they last were.
	TopicsDeleted     []*Topic
	PartitionsChanged []PartitionChange
	ConfigsChanged    []ConfigChange
	BrokersChanged    []BrokerChange
	// ControllerChanged is set when a controller was elected.
	ControllerChanged bool
}

// PartitionChange is a partition added to a topic that was there before
// (Old is nil), or changed.
type PartitionChange struct {
	Topic     *Topic // as it is now
	Partition int32
	Old, New  *Partition
}

// Elected says whether a leader was chosen or lost.
func (c PartitionChange) Elected() bool {
	return c.Old == nil || c.Old.LeaderEpoch != c.New.LeaderEpoch
}

// ConfigChange names the settings of a topic or of brokers that were set or
// removed.
type ConfigChange struct {
	Resource Resource
	Names    []string // sorted
}

// BrokerChange is a broker that was registered (Old is nil), registered again,
// fenced, unfenced or removed (New is nil).
type BrokerChange struct{ Old, New *Broker }

// Full returns the delta that leads from an image without records to i.
func (i *Image) Full() *Delta {
	d := &Delta{TopicsCreated: i.Topics(), ControllerChanged: i.controller >= 0}
	for n := range i.brokers {
		d.BrokersChanged = append(d.BrokersChanged, BrokerChange{New: &i.brokers[n]})
	}
	for _, name := range sortedKeys(i.configs) {
		d.ConfigsChanged = append(d.ConfigsChanged, ConfigChange{
			Resource: Resource{Type: ResourceBroker, Name: name},
			Names:    sortedKeys(i.configs[name]),
		})
	}
	return d
}
