package metadata

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Apply returns the image after recs, and what they changed. The image itself
// stays as it is. An error means that a record does not fit this image: a
// damaged log or a fault in the controller; nothing of recs is applied then.
// The cost grows with what changes, not with the number of topics.
func (i *Image) Apply(recs ...Record) (*Image, *Delta, error) {
	next := *i
	e := &editor{
		next:   &next,
		before: i,
		topics: tableEditor[string, *Topic]{table: i.topics},
		byID:   tableEditor[UUID, *Topic]{table: i.byID},
		folded: tableEditor[string, string]{table: i.folded},
		open:   make(map[UUID]*openTopic),
	}
	for n, r := range recs {
		next.offset++
		if err := r.apply(e); err != nil {
			return nil, nil, fmt.Errorf("record %d of %d (%T): %w", n+1, len(recs), r, err)
		}
	}
	next.topics, next.byID, next.folded = e.topics.table, e.byID.table, e.folded.table
	next.sorted = i.sorted
	if len(e.order) > 0 {
		next.sorted = new(sortedTopics)
	}
	return &next, e.delta(), nil
}

// editor builds the next image and keeps in mind what was touched.
type editor struct {
	next, before *Image
	topics       tableEditor[string, *Topic]
	byID         tableEditor[UUID, *Topic]
	folded       tableEditor[string, string]

	open    map[UUID]*openTopic
	order   []*openTopic               // as they were first touched
	brokers map[int32]Cause            // touched, with the last cause
	configs map[string]map[string]bool // broker settings touched, by resource name
	elected bool
}

// openTopic is a topic that this run of records touched.
type openTopic struct {
	before     *Topic // nil: made in this run
	now        *Topic // a copy that may be changed; nil: removed
	copied     bool   // now.Partitions is a copy as well
	partitions map[int32]Cause
	settings   map[string]bool
}

func (e *editor) topic(id UUID) (*openTopic, error) {
	if o := e.open[id]; o != nil {
		if o.now == nil {
			return nil, fmt.Errorf("topic %s was removed", id)
		}
		return o, nil
	}
	t, ok := e.byID.get(id)
	if !ok {
		return nil, fmt.Errorf("topic %s does not exist", id)
	}
	now := *t
	o := &openTopic{before: t, now: &now}
	e.add(o)
	return o, nil
}

func (e *editor) add(o *openTopic) {
	e.open[o.now.ID] = o
	e.order = append(e.order, o)
	e.topics.set(o.now.Name, o.now)
	e.byID.set(o.now.ID, o.now)
}

// own makes the partitions of the topic ones that may be changed.
func (o *openTopic) own(partition int32, cause Cause) {
	if o.before == nil {
		return
	}
	if !o.copied {
		o.now.Partitions, o.copied = slices.Clone(o.now.Partitions), true
	}
	if o.partitions == nil {
		o.partitions = make(map[int32]Cause)
	}
	o.partitions[partition] = cause
}

func (r ClusterRecord) apply(e *editor) error {
	if e.next.clusterID != "" && e.next.clusterID != r.ClusterID {
		return fmt.Errorf("the cluster is %s already, not %s", e.next.clusterID, r.ClusterID)
	}
	e.next.clusterID = r.ClusterID
	return nil
}

func (r ControllerRecord) apply(e *editor) error {
	if r.Epoch < e.next.epoch {
		return fmt.Errorf("controller epoch %d is below %d", r.Epoch, e.next.epoch)
	}
	e.next.controller, e.next.epoch, e.elected = r.ID, r.Epoch, true
	return nil
}

func (r BrokerRegistrationRecord) apply(e *editor) error {
	if r.ID < 0 {
		return fmt.Errorf("broker id %d is negative", r.ID)
	}
	b := Broker(r)
	at, ok := e.broker(r.ID, CauseRegistration)
	if ok {
		e.next.brokers[at] = b
	} else {
		e.next.brokers = slices.Insert(e.next.brokers, at, b)
	}
	return nil
}

func (r BrokerChangeRecord) apply(e *editor) error {
	at, ok := e.broker(r.ID, r.Cause)
	if !ok {
		return fmt.Errorf("broker %d is not registered", r.ID)
	}
	e.next.brokers[at].Fenced, e.next.brokers[at].Draining = r.Fenced, r.Draining
	return nil
}

func (r UnregisterBrokerRecord) apply(e *editor) error {
	at, ok := e.broker(r.ID, CauseRequest)
	if !ok {
		return fmt.Errorf("broker %d is not registered", r.ID)
	}
	e.next.brokers = slices.Delete(e.next.brokers, at, at+1)
	return nil
}

func (LeaderEpochsRecord) apply(e *editor) error {
	var led []UUID
	e.byID.each(func(id UUID, t *Topic) {
		if slices.ContainsFunc(t.Partitions, func(p Partition) bool { return p.Leader != NoLeader }) {
			led = append(led, id)
		}
	})
	slices.SortFunc(led, func(a, b UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range led {
		o, err := e.topic(id)
		if err != nil {
			return err
		}
		for n := range o.now.Partitions {
			if o.now.Partitions[n].Leader == NoLeader {
				continue
			}
			o.own(int32(n), CauseStart)
			p := &o.now.Partitions[n]
			p.LeaderEpoch++
			p.PartitionEpoch++
		}
	}
	return nil
}

// broker finds a broker in a list that may be changed.
func (e *editor) broker(id int32, cause Cause) (int, bool) {
	if e.brokers == nil {
		e.brokers = make(map[int32]Cause)
		e.next.brokers = slices.Clone(e.next.brokers)
	}
	e.brokers[id] = cause
	return e.next.findBroker(id)
}

func (r TopicRecord) apply(e *editor) error {
	if err := ValidateTopicName(r.Name); err != nil {
		return err
	}
	if _, ok := e.topics.get(r.Name); ok {
		return fmt.Errorf("topic %q exists", r.Name)
	}
	if _, ok := e.byID.get(r.ID); ok || e.open[r.ID] != nil || r.ID.IsZero() {
		return fmt.Errorf("topic id %s is taken", r.ID)
	}
	if CanCollide(r.Name) {
		e.folded.set(CollidesAs(r.Name), r.Name)
	}
	e.add(&openTopic{now: &Topic{ID: r.ID, Name: r.Name, Internal: IsInternalTopic(r.Name)}})
	return nil
}

func (r PartitionRecord) apply(e *editor) error {
	o, err := e.topic(r.TopicID)
	if err != nil {
		return err
	}
	if int(r.Partition) != len(o.now.Partitions) {
		return fmt.Errorf("partition %d of %q is not the next of %d", r.Partition, o.now.Name, len(o.now.Partitions))
	}
	o.own(r.Partition, CauseNone)
	o.now.Partitions = append(o.now.Partitions, Partition{
		Leader: r.Leader, LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch, Replicas: r.Replicas, ISR: r.ISR,
		Adding: some(r.Adding), Removing: some(r.Removing), ELR: some(r.ELR), LastKnownELR: some(r.LastKnownELR),
	})
	e.next.partitions++
	return nil
}

func (r PartitionChangeRecord) apply(e *editor) error {
	o, err := e.topic(r.TopicID)
	if err != nil {
		return err
	}
	if r.Partition < 0 || int(r.Partition) >= len(o.now.Partitions) {
		return fmt.Errorf("%q has no partition %d", o.now.Name, r.Partition)
	}
	o.own(r.Partition, r.Cause)
	p := &o.now.Partitions[r.Partition]
	if r.Leader != LeaderUnchanged {
		p.Leader = r.Leader
		p.LeaderEpoch++
	}
	if r.Replicas != nil {
		p.Replicas = r.Replicas
	}
	if r.ISR != nil {
		p.ISR = r.ISR
	}
	for _, list := range []struct {
		to   *[]int32
		from []int32
	}{{&p.Adding, r.Adding}, {&p.Removing, r.Removing}, {&p.ELR, r.ELR}, {&p.LastKnownELR, r.LastKnownELR}} {
		if list.from != nil {
			*list.to = some(list.from)
		}
	}
	p.PartitionEpoch++
	return nil
}

// some returns nil for an empty list, so that an image has one form.
func some(list []int32) []int32 {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (r RemoveTopicRecord) apply(e *editor) error {
	o, err := e.topic(r.ID)
	if err != nil {
		return err
	}
	e.next.partitions -= len(o.now.Partitions)
	e.topics.remove(o.now.Name)
	e.byID.remove(o.now.ID)
	if CanCollide(o.now.Name) {
		e.folded.remove(CollidesAs(o.now.Name))
	}
	o.now = nil
	return nil
}

func (r ConfigRecord) apply(e *editor) error {
	switch r.Resource.Type {
	case ResourceTopic:
		t, ok := e.topics.get(r.Resource.Name)
		if !ok {
			return fmt.Errorf("topic %q does not exist", r.Resource.Name)
		}
		o, err := e.topic(t.ID)
		if err != nil {
			return err
		}
		if o.settings == nil {
			o.settings = make(map[string]bool)
			o.now.Config = maps.Clone(o.now.Config)
		}
		o.settings[r.Name] = true
		o.now.Config = setting(o.now.Config, r.Name, r.Value)
	case ResourceBroker:
		if id, err := strconv.Atoi(r.Resource.Name); r.Resource.Name != "" && (err != nil || id < 0) {
			return fmt.Errorf("%q is not a broker id", r.Resource.Name)
		}
		if e.configs == nil {
			e.configs = make(map[string]map[string]bool)
			e.next.configs = maps.Clone(e.next.configs)
		}
		names := e.configs[r.Resource.Name]
		if names == nil {
			names = make(map[string]bool)
			e.configs[r.Resource.Name] = names
		}
		names[r.Name] = true
		e.setBroker(r)
	default:
		return fmt.Errorf("resource type %d has no settings", r.Resource.Type)
	}
	return nil
}

func (e *editor) setBroker(r ConfigRecord) {
	m := setting(maps.Clone(e.next.configs[r.Resource.Name]), r.Name, r.Value)
	switch {
	case len(m) == 0:
		delete(e.next.configs, r.Resource.Name)
	case e.next.configs == nil:
		e.next.configs = map[string]map[string]string{r.Resource.Name: m}
	default:
		e.next.configs[r.Resource.Name] = m
	}
}

// setting changes m, which may be nil and is owned by the caller.
func setting(m map[string]string, name string, value *string) map[string]string {
	if value == nil {
		delete(m, name)
		return m
	}
	if m == nil {
		m = make(map[string]string)
	}
	m[name] = *value
	return m
}

func (r ProducerIDsRecord) apply(e *editor) error {
	if r.Next < e.next.nextProducerID {
		return fmt.Errorf("next producer id %d is below %d", r.Next, e.next.nextProducerID)
	}
	e.next.nextProducerID = r.Next
	return nil
}

// delta compares what was touched with what was before.
func (e *editor) delta() *Delta {
	d := &Delta{ControllerChanged: e.elected}
	for _, o := range e.order {
		switch {
		case o.before == nil && o.now != nil:
			d.TopicsCreated = append(d.TopicsCreated, o.now)
		case o.before != nil && o.now == nil:
			d.TopicsDeleted = append(d.TopicsDeleted, o.before)
		case o.before != nil:
			d.addChanges(o)
		}
	}
	for _, id := range sortedKeys(e.brokers) {
		c := BrokerChange{Cause: e.brokers[id]}
		if at, ok := e.before.findBroker(id); ok {
			c.Old = &e.before.brokers[at]
		}
		if at, ok := e.next.findBroker(id); ok {
			c.New = &e.next.brokers[at]
		}
		if c.Old == nil && c.New == nil {
			continue // came and went
		}
		d.BrokersChanged = append(d.BrokersChanged, c)
	}
	for _, name := range sortedKeys(e.configs) {
		d.ConfigsChanged = append(d.ConfigsChanged, ConfigChange{
			Resource: Resource{Type: ResourceBroker, Name: name}, Names: sortedKeys(e.configs[name]),
		})
	}
	return d
}

func (d *Delta) addChanges(o *openTopic) {
	for _, p := range sortedKeys(o.partitions) {
		c := PartitionChange{Topic: o.now, Partition: p, New: &o.now.Partitions[p], Cause: o.partitions[p]}
		if int(p) < len(o.before.Partitions) {
			c.Old = &o.before.Partitions[p]
		}
		d.PartitionsChanged = append(d.PartitionsChanged, c)
	}
	if len(o.settings) > 0 {
		d.ConfigsChanged = append(d.ConfigsChanged, ConfigChange{
			Resource: Resource{Type: ResourceTopic, Name: o.now.Name}, Names: sortedKeys(o.settings),
		})
	}
}
