package metadata

import (
	"encoding/binary"
	"fmt"
)

// snapshotVersion is the newest version of a snapshot's head.
const snapshotVersion = 0

// AppendTo appends the image to b: its version, its offset, and records that
// build it. Static settings are not part of it.
func (i *Image) AppendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, snapshotVersion)
	b = binary.AppendVarint(b, i.offset)
	return AppendRecords(b, i.Records()...)
}

// ReadImage reads what AppendTo wrote.
func ReadImage(b []byte, static map[string]string) (*Image, error) {
	r := reader{b: b}
	version, offset := r.uvarint(), r.int64()
	switch {
	case r.err != nil:
		return nil, fmt.Errorf("head of the image: %w", r.err)
	case version > snapshotVersion:
		return nil, fmt.Errorf("version %d of the image is newer than this version of the program", version)
	case offset < -1:
		return nil, fmt.Errorf("the image has offset %d", offset)
	}
	recs, err := DecodeRecords(r.b)
	if err != nil {
		return nil, err
	}
	img, _, err := NewImage(static).Apply(recs...)
	if err != nil {
		return nil, err
	}
	img.offset = offset
	return img, nil
}

// ReadClusterID returns the cluster's id of an image that AppendTo wrote, empty
// if it has none, without reading all of it.
func ReadClusterID(b []byte) (string, error) {
	r := reader{b: b}
	r.uvarint()
	r.int64()
	if r.err == nil && len(r.b) == 0 {
		return "", nil // an image without records
	}
	first := r.take(r.uvarint())
	if r.err != nil {
		return "", fmt.Errorf("head of the image: %w", r.err)
	}
	rec, err := decodeRecord(first)
	if err != nil {
		return "", err
	}
	c, ok := rec.(ClusterRecord)
	if !ok {
		return "", nil
	}
	return c.ClusterID, nil
}

// Records returns records that build the image from an empty one.
func (i *Image) Records() []Record {
	var recs []Record
	if i.clusterID != "" {
		recs = append(recs, ClusterRecord{ClusterID: i.clusterID})
	}
	if i.controller >= 0 {
		recs = append(recs, ControllerRecord{ID: i.controller, Epoch: i.epoch})
	}
	for _, b := range i.brokers {
		recs = append(recs, BrokerRegistrationRecord(b))
	}
	for _, name := range sortedKeys(i.configs) {
		recs = appendConfigs(recs, Resource{Type: ResourceBroker, Name: name}, i.configs[name])
	}
	for _, t := range i.Topics() {
		recs = append(recs, TopicRecord{ID: t.ID, Name: t.Name})
		for n, p := range t.Partitions {
			recs = append(recs, PartitionRecord{
				TopicID: t.ID, Partition: int32(n), Leader: p.Leader, LeaderEpoch: p.LeaderEpoch,
				PartitionEpoch: p.PartitionEpoch, Replicas: p.Replicas, ISR: p.ISR,
				Adding: p.Adding, Removing: p.Removing, ELR: p.ELR, LastKnownELR: p.LastKnownELR,
			})
		}
		recs = appendConfigs(recs, Resource{Type: ResourceTopic, Name: t.Name}, t.Config)
	}
	if i.nextProducerID > 0 {
		recs = append(recs, ProducerIDsRecord{BrokerID: -1, Next: i.nextProducerID})
	}
	return recs
}

func appendConfigs(recs []Record, of Resource, settings map[string]string) []Record {
	for _, name := range sortedKeys(settings) {
		value := settings[name]
		recs = append(recs, ConfigRecord{Resource: of, Name: name, Value: &value})
	}
	return recs
}
