package controller

import (
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

type createTopics struct {
	topics       []NewTopic
	validateOnly bool
}

func (r createTopics) run(m *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, []TopicResult) {
	b := newBatch(m, img)
	counts := make(map[string]int, len(r.topics))
	for _, t := range r.topics {
		counts[t.Name]++
	}
	out := make([]TopicResult, len(r.topics))
	for i, t := range r.topics {
		if counts[t.Name] > 1 {
			out[i] = TopicResult{Name: t.Name, Err: metadata.Refuse(kerr.InvalidRequest, "Duplicate topic name.")}
			continue
		}
		out[i] = b.create(t)
	}
	if r.validateOnly {
		return nil, out
	}
	return b.recs, out
}

// batch collects the records of one request, which all see what came before
// them in the request.
type batch struct {
	m          *machine
	img        *metadata.Image
	recs       []metadata.Record
	place      placement
	partitions int               // of all topics, with those of this request
	limit      int               // of partitions
	folded     map[string]string // names made by this request, by metadata.CollidesAs
}

func newBatch(m *machine, img *metadata.Image) *batch {
	return &batch{
		m: m, img: img, place: newPlacement(img), partitions: img.PartitionCount(),
		limit:  int(img.BrokerInt("max.partitions")),
		folded: make(map[string]string),
	}
}

// create makes one topic, or says why it can not be.
func (b *batch) create(t NewTopic) TopicResult {
	res := TopicResult{Name: t.Name}
	if res.Err = b.checkName(t.Name); res.Err != nil {
		return res
	}
	if res.Config, res.Err = newTopicConfig(t.Configs); res.Err != nil {
		return res
	}
	replicas, err := b.replicas(t)
	if err != nil {
		res.Err = err
		return res
	}
	res.ID = b.m.newID()
	res.Partitions, res.ReplicationFactor = int32(len(replicas)), int16(len(replicas[0]))
	b.recs = append(b.recs, metadata.TopicRecord{ID: res.ID, Name: t.Name})
	b.addPartitions(res.ID, 0, replicas)
	for _, op := range t.Configs {
		b.recs = append(b.recs, metadata.ConfigRecord{
			Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: t.Name}, Name: op.Name, Value: op.Value,
		})
	}
	if metadata.CanCollide(t.Name) {
		b.folded[metadata.CollidesAs(t.Name)] = t.Name
	}
	return res
}

func (b *batch) checkName(name string) error {
	if err := metadata.ValidateTopicName(name); err != nil {
		return err
	}
	if name == metadata.ClusterMetadataTopic {
		return metadata.Refuse(kerr.InvalidRequest, "Creation of internal topic %s is prohibited.", name)
	}
	if b.img.Topic(name) != nil {
		return metadata.Refuse(kerr.TopicAlreadyExists, "Topic '%s' already exists.", name)
	}
	other := b.img.Colliding(name)
	if other == "" && metadata.CanCollide(name) {
		other = b.folded[metadata.CollidesAs(name)]
	}
	if other != "" {
		return metadata.Refuse(kerr.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, other)
	}
	return nil
}

// newTopicConfig checks the settings of a new topic.
func newTopicConfig(ops []ConfigOp) (map[string]string, error) {
	config := make(map[string]string, len(ops))
	for _, op := range ops {
		if op.Value == nil {
			return nil, metadata.Refuse(kerr.InvalidConfig, "Null value not supported for topic configs: %s", op.Name)
		}
		if _, ok := config[op.Name]; ok {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Error due to duplicate config keys")
		}
		config[op.Name] = *op.Value
	}
	if err := metadata.ValidateTopicConfig(config); err != nil {
		return nil, err
	}
	return config, nil
}

// replicas returns the replicas of each partition of a new topic.
func (b *batch) replicas(t NewTopic) ([][]int32, error) {
	if t.Assignment != nil {
		return b.assigned(t)
	}
	partitions := int64(t.Partitions)
	if partitions == -1 {
		partitions = b.img.BrokerInt("num.partitions")
	}
	if partitions < 1 {
		return nil, metadata.Refuse(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	factor := int64(t.ReplicationFactor)
	if factor == -1 {
		factor = min(int64(b.img.ReplicationFactor("default.replication.factor")), int64(b.m.maxReplicas))
	}
	if err := b.checkFactor(factor); err != nil {
		return nil, err
	}
	if err := b.checkLimit(partitions); err != nil {
		return nil, err
	}
	return b.place.next(int(partitions), int(factor)), nil
}

// checkFactor refuses a replication factor in Kafka's words.
func (b *batch) checkFactor(factor int64) error {
	switch most := min(b.place.total, b.m.maxReplicas); {
	case factor < 1:
		return metadata.Refuse(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	case factor > int64(most):
		return tooManyReplicas(factor, most)
	case len(b.place.active) == 0:
		return metadata.Refuse(kerr.InvalidReplicationFactor,
			"Unable to replicate the partition %d time(s): All brokers are currently fenced or in controlled shutdown.", factor)
	}
	return nil
}

func tooManyReplicas(factor int64, most int) error {
	return metadata.Refuse(kerr.InvalidReplicationFactor,
		"Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only %d broker(s) are registered.",
		factor, factor, most)
}

func (b *batch) checkLimit(more int64) error {
	if int64(b.partitions)+more <= int64(b.limit) {
		return nil
	}
	return metadata.Refuse(kerr.PolicyViolation,
		"Excessively large number of partitions: %d more than the %d there are would exceed the limit of %d (broker setting max.partitions).",
		more, b.partitions, b.limit)
}

// assigned checks a manual assignment of a new topic.
func (b *batch) assigned(t NewTopic) ([][]int32, error) {
	if t.Partitions != -1 {
		return nil, metadata.Refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	if t.ReplicationFactor != -1 {
		return nil, metadata.Refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	}
	if err := b.checkLimit(int64(len(t.Assignment))); err != nil {
		return nil, err
	}
	byPartition := make(map[int32][]int32, len(t.Assignment))
	for _, a := range t.Assignment {
		if _, ok := byPartition[a.Partition]; ok {
			return nil, metadata.Refuse(kerr.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition %d", a.Partition)
		}
		byPartition[a.Partition] = a.Replicas
	}
	out := make([][]int32, len(t.Assignment))
	for p := range out {
		replicas, ok := byPartition[int32(p)]
		if !ok {
			return nil, metadata.Refuse(kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
		if err := b.checkAssignment(p, replicas, len(byPartition[0])); err != nil {
			return nil, err
		}
		out[p] = replicas
	}
	if len(out) == 0 {
		return nil, metadata.Refuse(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	return out, nil
}

// checkAssignment checks the replicas of one partition of a topic that has
// factor of them elsewhere.
func (b *batch) checkAssignment(partition int, replicas []int32, factor int) error {
	if err := checkReplicas(b.img, replicas); err != nil {
		return err
	}
	switch {
	case len(replicas) != factor:
		return metadata.Refuse(kerr.InvalidReplicaAssignment,
			"The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).",
			len(replicas), factor)
	case len(b.place.alive(replicas)) == 0:
		return metadata.Refuse(kerr.InvalidReplicaAssignment,
			"All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", partition)
	}
	return b.checkFactor(int64(len(replicas)))
}

// addPartitions appends the records of new partitions, the first of which has
// the number from. Each has a live replica.
func (b *batch) addPartitions(id metadata.UUID, from int, replicas [][]int32) {
	for i, r := range replicas {
		isr := b.place.alive(r)
		b.recs = append(b.recs, metadata.PartitionRecord{
			TopicID: id, Partition: int32(from + i), Leader: isr[0], Replicas: r, ISR: isr,
		})
	}
	b.partitions += len(replicas)
}

type deleteTopics struct{ topics []TopicRef }

func (r deleteTopics) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, []TopicResult) {
	counts := make(map[TopicRef]int, len(r.topics))
	for _, t := range r.topics {
		counts[t]++
	}
	var recs []metadata.Record
	removed := make(map[metadata.UUID]bool, len(r.topics))
	out := make([]TopicResult, len(r.topics))
	for i, ref := range r.topics {
		t, err := findTopic(img, ref)
		switch {
		case err == nil && counts[ref] > 1, err == nil && removed[t.ID]:
			err = metadata.Refuse(kerr.InvalidRequest, "Duplicate topic name.")
		case err == nil && !img.BrokerBool("delete.topic.enable"):
			err = metadata.Refuse(kerr.TopicDeletionDisabled, "Topic deletion is disabled by the broker setting delete.topic.enable.")
		}
		out[i] = TopicResult{Name: ref.Name, ID: ref.ID, Err: err}
		if err != nil {
			continue
		}
		removed[t.ID] = true
		out[i].Name, out[i].ID = t.Name, t.ID
		recs = append(recs, metadata.RemoveTopicRecord{ID: t.ID})
	}
	return recs, out
}

func findTopic(img *metadata.Image, ref TopicRef) (*metadata.Topic, error) {
	if !ref.ID.IsZero() {
		if ref.Name != "" {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Can't specify both topic name and id.")
		}
		if t := img.TopicByID(ref.ID); t != nil {
			return t, nil
		}
		return nil, metadata.Refuse(kerr.UnknownTopicID, "This server does not host this topic ID.")
	}
	if t := img.Topic(ref.Name); t != nil {
		return t, nil
	}
	return nil, metadata.Refuse(kerr.UnknownTopicOrPartition, "This server does not host this topic-partition.")
}

type createPartitions struct {
	topics       []NewPartitions
	validateOnly bool
}

func (r createPartitions) run(m *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, []TopicResult) {
	b := newBatch(m, img)
	counts := make(map[string]int, len(r.topics))
	for _, t := range r.topics {
		counts[t.Topic]++
	}
	out := make([]TopicResult, len(r.topics))
	for i, t := range r.topics {
		out[i] = TopicResult{Name: t.Topic}
		if counts[t.Topic] > 1 {
			out[i].Err = metadata.Refuse(kerr.InvalidRequest, "Duplicate topic name.")
			continue
		}
		if out[i].Err = b.grow(t); out[i].Err == nil {
			topic := img.Topic(t.Topic)
			out[i].ID, out[i].Partitions, out[i].ReplicationFactor = topic.ID, t.Count, int16(replicationFactor(topic))
			out[i].Config = maps.Clone(topic.Config)
		}
	}
	if r.validateOnly {
		return nil, out
	}
	return b.recs, out
}

// grow adds partitions to a topic.
func (b *batch) grow(t NewPartitions) error {
	topic := b.img.Topic(t.Topic)
	if topic == nil {
		return metadata.Refuse(kerr.UnknownTopicOrPartition, "Topic '%s' does not exist.", t.Topic)
	}
	have := len(topic.Partitions)
	switch {
	case int(t.Count) == have:
		return metadata.Refuse(kerr.InvalidPartitions, "Topic already has %d partition(s).", have)
	case int(t.Count) < have:
		return metadata.Refuse(kerr.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, have, t.Count)
	}
	more, factor := int(t.Count)-have, replicationFactor(topic)
	if err := b.checkLimit(int64(more)); err != nil {
		return err
	}
	if t.Assignment == nil {
		if err := b.checkFactor(int64(factor)); err != nil {
			return err
		}
		b.addPartitions(topic.ID, have, b.place.next(more, factor))
		return nil
	}
	if len(t.Assignment) != more {
		return metadata.Refuse(kerr.InvalidReplicaAssignment,
			"Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", more, len(t.Assignment))
	}
	for i, replicas := range t.Assignment {
		if err := b.checkAssignment(have+i, replicas, factor); err != nil {
			return err
		}
	}
	b.addPartitions(topic.ID, have, t.Assignment)
	return nil
}
