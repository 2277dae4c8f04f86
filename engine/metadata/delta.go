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
	Cause     Cause // of the last change; CauseNone where it is not known
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
// fenced, unfenced, draining or removed (New is nil).
type BrokerChange struct {
	Old, New *Broker
	Cause    Cause // of the last change; CauseNone where it is not known
}

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

// Since returns the delta that leads from an older image to i, found by
// comparing the two: for a broker that was given a snapshot in place of the
// records between.
func (i *Image) Since(old *Image) *Delta {
	d := &Delta{ControllerChanged: i.controller != old.controller || i.epoch != old.epoch}
	for _, t := range old.Topics() {
		if i.TopicByID(t.ID) == nil {
			d.TopicsDeleted = append(d.TopicsDeleted, t)
		}
	}
	for _, t := range i.Topics() {
		before := old.TopicByID(t.ID)
		if before == nil {
			d.TopicsCreated = append(d.TopicsCreated, t)
			continue
		}
		for p := range t.Partitions {
			c := PartitionChange{Topic: t, Partition: int32(p), New: &t.Partitions[p]}
			if p < len(before.Partitions) {
				c.Old = &before.Partitions[p]
			}
			if c.Old == nil || c.Old.PartitionEpoch != c.New.PartitionEpoch {
				d.PartitionsChanged = append(d.PartitionsChanged, c)
			}
		}
		d.addDifference(Resource{Type: ResourceTopic, Name: t.Name}, before.Config, t.Config)
	}
	for _, name := range sortedKeys(union(old.configs, i.configs)) {
		d.addDifference(Resource{Type: ResourceBroker, Name: name}, old.configs[name], i.configs[name])
	}
	d.addBrokers(old.brokers, i.brokers)
	return d
}

func (d *Delta) addDifference(of Resource, old, now map[string]string) {
	var names []string
	for _, name := range sortedKeys(union(old, now)) {
		a, before := old[name]
		b, after := now[name]
		if before != after || a != b {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		d.ConfigsChanged = append(d.ConfigsChanged, ConfigChange{Resource: of, Names: names})
	}
}

func (d *Delta) addBrokers(old, now []Broker) {
	for len(old) > 0 || len(now) > 0 {
		var c BrokerChange
		if len(now) == 0 || len(old) > 0 && old[0].ID <= now[0].ID {
			c.Old = &old[0]
		}
		if len(old) == 0 || len(now) > 0 && now[0].ID <= old[0].ID {
			c.New = &now[0]
		}
		if c.Old != nil {
			old = old[1:]
		}
		if c.New != nil {
			now = now[1:]
		}
		if c.Old == nil || c.New == nil || c.Old.Epoch != c.New.Epoch || c.Old.Incarnation != c.New.Incarnation ||
			c.Old.Fenced != c.New.Fenced || c.Old.Draining != c.New.Draining {
			d.BrokersChanged = append(d.BrokersChanged, c)
		}
	}
}

func union[V any](a, b map[string]V) map[string]V {
	out := make(map[string]V, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}
