package metadata

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// versionOf returns the newest version of a record type, which is the one
// written. A type that changes goes on reading the older ones.
func versionOf(k kind) byte {
	switch k {
	case kindBrokerRegistration, kindBrokerChange, kindPartition, kindPartitionChange:
		return 1
	}
	return 0
}

// AppendRecords appends the binary form of recs to b: for each record its
// length, type, version and fields.
func AppendRecords(b []byte, recs ...Record) []byte {
	var body []byte
	for _, r := range recs {
		body = r.append(append(body[:0], byte(r.kind()), versionOf(r.kind())))
		b = binary.AppendUvarint(b, uint64(len(body)))
		b = append(b, body...)
	}
	return b
}

// DecodeRecords reads what AppendRecords of this or an older version wrote. It
// refuses whatever else; it never allocates more than a small multiple
// of len(b). The records do not share memory with b.
func DecodeRecords(b []byte) ([]Record, error) {
	var recs []Record
	for n := 0; len(b) > 0; n++ {
		size, w := binary.Uvarint(b)
		if w <= 0 || size > uint64(len(b)-w) {
			return nil, fmt.Errorf("record %d: bad length", n)
		}
		r, err := decodeRecord(b[w : w+int(size)])
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", n, err)
		}
		recs = append(recs, r)
		b = b[w+int(size):]
	}
	return recs, nil
}

var (
	errShort    = errors.New("the record ends early")
	errTrailing = errors.New("the record has bytes after its last field")
)

func decodeRecord(b []byte) (Record, error) {
	if len(b) < 2 {
		return nil, errShort
	}
	k, version := kind(b[0]), b[1]
	decode, ok := decoders[k]
	if !ok {
		return nil, fmt.Errorf("record type %d is unknown to this version of the program", k)
	}
	if version > versionOf(k) {
		return nil, fmt.Errorf("version %d of record type %d is newer than this version of the program", version, k)
	}
	r := reader{b: b[2:], version: version}
	rec := decode(&r)
	if r.err != nil {
		return nil, r.err
	}
	if len(r.b) > 0 {
		return nil, errTrailing
	}
	return rec, nil
}

var decoders = map[kind]func(*reader) Record{
	kindCluster:    func(r *reader) Record { return ClusterRecord{ClusterID: r.string()} },
	kindController: func(r *reader) Record { return ControllerRecord{ID: r.int32(), Epoch: r.int32()} },
	kindBrokerRegistration: func(r *reader) Record {
		rec := BrokerRegistrationRecord{ID: r.int32(), Epoch: r.int64(), Rack: r.string(), Listeners: r.listeners(), Fenced: r.bool()}
		if r.version > 0 {
			rec.Draining, rec.Incarnation = r.bool(), r.uuid()
		}
		return rec
	},
	kindBrokerChange: func(r *reader) Record {
		rec := BrokerChangeRecord{ID: r.int32(), Fenced: r.bool()}
		if r.version > 0 {
			rec.Draining, rec.Cause = r.bool(), r.cause()
		}
		return rec
	},
	kindTopic: func(r *reader) Record { return TopicRecord{ID: r.uuid(), Name: r.string()} },
	kindPartition: func(r *reader) Record {
		rec := PartitionRecord{TopicID: r.uuid(), Partition: r.int32(), Leader: r.int32(), LeaderEpoch: r.int32(),
			PartitionEpoch: r.int32(), Replicas: r.int32s(), ISR: r.int32s()}
		if r.version > 0 {
			rec.Adding, rec.Removing, rec.ELR, rec.LastKnownELR = r.int32s(), r.int32s(), r.int32s(), r.int32s()
		}
		return rec
	},
	kindPartitionChange: func(r *reader) Record {
		rec := PartitionChangeRecord{TopicID: r.uuid(), Partition: r.int32(), Leader: r.int32(),
			Replicas: r.int32s(), ISR: r.int32s()}
		if r.version > 0 {
			rec.Adding, rec.Removing, rec.ELR, rec.LastKnownELR = r.int32s(), r.int32s(), r.int32s(), r.int32s()
			rec.Cause = r.cause()
		}
		return rec
	},
	kindUnregisterBroker: func(r *reader) Record { return UnregisterBrokerRecord{ID: r.int32()} },
	kindLeaderEpochs:     func(*reader) Record { return LeaderEpochsRecord{} },
	kindRemoveTopic:      func(r *reader) Record { return RemoveTopicRecord{ID: r.uuid()} },
	kindConfig: func(r *reader) Record {
		return ConfigRecord{Resource: Resource{Type: ResourceType(r.byte()), Name: r.string()}, Name: r.string(), Value: r.optional()}
	},
	kindProducerIDs: func(r *reader) Record { return ProducerIDsRecord{BrokerID: r.int32(), Next: r.int64()} },
}

func (ClusterRecord) kind() kind            { return kindCluster }
func (ControllerRecord) kind() kind         { return kindController }
func (BrokerRegistrationRecord) kind() kind { return kindBrokerRegistration }
func (BrokerChangeRecord) kind() kind       { return kindBrokerChange }
func (TopicRecord) kind() kind              { return kindTopic }
func (PartitionRecord) kind() kind          { return kindPartition }
func (PartitionChangeRecord) kind() kind    { return kindPartitionChange }
func (RemoveTopicRecord) kind() kind        { return kindRemoveTopic }
func (ConfigRecord) kind() kind             { return kindConfig }
func (ProducerIDsRecord) kind() kind        { return kindProducerIDs }
func (UnregisterBrokerRecord) kind() kind   { return kindUnregisterBroker }
func (LeaderEpochsRecord) kind() kind       { return kindLeaderEpochs }

func (r ClusterRecord) append(b []byte) []byte { return appendString(b, r.ClusterID) }

func (r ControllerRecord) append(b []byte) []byte {
	return appendInt(appendInt(b, r.ID), r.Epoch)
}

func (r BrokerRegistrationRecord) append(b []byte) []byte {
	b = binary.AppendVarint(appendInt(b, r.ID), r.Epoch)
	b = appendString(b, r.Rack)
	b = binary.AppendUvarint(b, uint64(len(r.Listeners)))
	for _, l := range r.Listeners {
		b = appendInt(appendString(appendString(b, l.Name), l.Host), l.Port)
	}
	b = appendBool(appendBool(b, r.Fenced), r.Draining)
	return append(b, r.Incarnation[:]...)
}

func (r BrokerChangeRecord) append(b []byte) []byte {
	b = appendBool(appendBool(appendInt(b, r.ID), r.Fenced), r.Draining)
	return append(b, byte(r.Cause))
}

func (r UnregisterBrokerRecord) append(b []byte) []byte { return appendInt(b, r.ID) }

func (LeaderEpochsRecord) append(b []byte) []byte { return b }

func (r TopicRecord) append(b []byte) []byte { return appendString(append(b, r.ID[:]...), r.Name) }

func (r PartitionRecord) append(b []byte) []byte {
	b = appendInt(append(b, r.TopicID[:]...), r.Partition)
	b = appendInt(appendInt(appendInt(b, r.Leader), r.LeaderEpoch), r.PartitionEpoch)
	b = appendInts(appendInts(b, r.Replicas), r.ISR)
	return appendInts(appendInts(appendInts(appendInts(b, r.Adding), r.Removing), r.ELR), r.LastKnownELR)
}

func (r PartitionChangeRecord) append(b []byte) []byte {
	b = appendInt(append(b, r.TopicID[:]...), r.Partition)
	b = appendInts(appendInts(appendInt(b, r.Leader), r.Replicas), r.ISR)
	b = appendInts(appendInts(appendInts(appendInts(b, r.Adding), r.Removing), r.ELR), r.LastKnownELR)
	return append(b, byte(r.Cause))
}

func (r RemoveTopicRecord) append(b []byte) []byte { return append(b, r.ID[:]...) }

func (r ConfigRecord) append(b []byte) []byte {
	b = appendString(append(b, byte(r.Resource.Type)), r.Resource.Name)
	b = appendString(b, r.Name)
	if r.Value == nil {
		return appendBool(b, false)
	}
	return appendString(appendBool(b, true), *r.Value)
}

func (r ProducerIDsRecord) append(b []byte) []byte {
	return binary.AppendVarint(appendInt(b, r.BrokerID), r.Next)
}

func appendInt(b []byte, v int32) []byte { return binary.AppendVarint(b, int64(v)) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendInts writes a nullable list: 0 for nil, else its length plus one.
func appendInts(b []byte, v []int32) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(v))+1)
	for _, n := range v {
		b = appendInt(b, n)
	}
	return b
}
