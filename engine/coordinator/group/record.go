package group

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions that are written, the same as Apache Kafka 4.3 writes. Older
// ones are read; see docs/format/consumer-offsets.md.
const (
	offsetKeyVersion     = 1
	offsetValueVersion   = 4
	expiringValueVersion = 1 // the only version with an expiry of its own
	groupKeyVersion      = 2
	groupValueVersion    = 3
)

// ErrUnknownRecord is what Decode returns for a record of a kind that this
// version does not know, such as those of KIP-848 groups.
var ErrUnknownRecord = errors.New("record of an unknown kind")

// Record is one record of __consumer_offsets: an OffsetRecord or a
// GroupRecord.
type Record interface {
	// Key returns the encoded key.
	Key() []byte
	// Value returns the encoded value, nil for a tombstone.
	Value() []byte
}

// OffsetRecord says what a group has committed for a partition.
type OffsetRecord struct {
	Group, Topic string
	Partition    int32
	Offset       *Offset // nil: deleted
}

// Offset is a committed offset.
type Offset struct {
	Offset      int64
	LeaderEpoch int32 // of the last record that was consumed, -1 unknown
	Metadata    string
	CommitTime  int64    // ms of the Unix epoch
	ExpireTime  int64    // ms of the Unix epoch, -1: by the broker's retention
	TopicID     [16]byte // zero: unknown
}

// GroupRecord says which members a group has at its newest generation.
type GroupRecord struct {
	Group string
	Meta  *kmsg.GroupMetadataValue // nil: deleted
}

// Key implements Record.
func (r OffsetRecord) Key() []byte {
	k := kmsg.OffsetCommitKey{Version: offsetKeyVersion, Group: r.Group, Topic: r.Topic, Partition: r.Partition}
	return k.AppendTo(nil)
}

// Value implements Record.
func (r OffsetRecord) Value() []byte {
	if r.Offset == nil {
		return nil
	}
	v := kmsg.OffsetCommitValue{
		Version:         offsetValueVersion,
		Offset:          r.Offset.Offset,
		LeaderEpoch:     r.Offset.LeaderEpoch,
		Metadata:        r.Offset.Metadata,
		CommitTimestamp: r.Offset.CommitTime,
		ExpireTimestamp: r.Offset.ExpireTime,
		TopicID:         r.Offset.TopicID,
	}
	if r.Offset.ExpireTime >= 0 {
		v.Version = expiringValueVersion
	}
	return v.AppendTo(nil)
}

// Key implements Record.
func (r GroupRecord) Key() []byte {
	k := kmsg.GroupMetadataKey{Version: groupKeyVersion, Group: r.Group}
	return k.AppendTo(nil)
}

// Value implements Record.
func (r GroupRecord) Value() []byte {
	if r.Meta == nil {
		return nil
	}
	v := *r.Meta
	v.Version = groupValueVersion
	return v.AppendTo(nil)
}

// Decode reads one record of __consumer_offsets. A nil value is a tombstone.
// The error is ErrUnknownRecord for a kind that is to be skipped, and another
// for bytes that make no sense.
func Decode(key, value []byte) (Record, error) {
	r := reader{b: key}
	switch version := r.int16(); {
	case r.bad:
		return nil, fmt.Errorf("key of %d bytes: %w", len(key), errShort)
	case version == 0 || version == offsetKeyVersion:
		rec := OffsetRecord{Group: r.string(), Topic: r.string(), Partition: r.int32()}
		if r.bad {
			return nil, fmt.Errorf("offset key: %w", errShort)
		}
		if value == nil {
			return rec, nil
		}
		offset, err := decodeOffset(value)
		if err != nil {
			return nil, fmt.Errorf("offset value of group %q: %w", rec.Group, err)
		}
		rec.Offset = &offset
		return rec, nil
	case version == groupKeyVersion:
		rec := GroupRecord{Group: r.string()}
		if r.bad {
			return nil, fmt.Errorf("group key: %w", errShort)
		}
		if value == nil {
			return rec, nil
		}
		meta, err := decodeGroup(value)
		if err != nil {
			return nil, fmt.Errorf("metadata of group %q: %w", rec.Group, err)
		}
		rec.Meta = meta
		return rec, nil
	default:
		return nil, fmt.Errorf("%w: key version %d", ErrUnknownRecord, version)
	}
}

// decodeOffset reads an OffsetCommitValue of version 0 to 4.
func decodeOffset(value []byte) (Offset, error) {
	r := reader{b: value}
	version := r.int16()
	if version < 0 || version > 4 {
		return Offset{}, fmt.Errorf("version %d is not known", version)
	}
	o := Offset{Offset: r.int64(), LeaderEpoch: -1, ExpireTime: -1}
	if version >= 3 {
		o.LeaderEpoch = r.int32()
	}
	if version >= 4 {
		o.Metadata = r.compactString()
	} else {
		o.Metadata = r.string()
	}
	o.CommitTime = r.int64()
	if version == 1 {
		o.ExpireTime = max(r.int64(), -1)
	}
	if version >= 4 {
		r.tags(func(tag int, v []byte) {
			if tag == 0 && len(v) == 16 {
				o.TopicID = [16]byte(v)
			}
		})
	}
	return o, r.err()
}

// decodeGroup reads a GroupMetadataValue of version 0 to 4.
func decodeGroup(value []byte) (*kmsg.GroupMetadataValue, error) {
	r := reader{b: value}
	version := r.int16()
	if version < 0 || version > 4 {
		return nil, fmt.Errorf("version %d is not known", version)
	}
	str, nullable, bytes := r.string, r.nullableString, r.bytes
	if version >= 4 {
		str, nullable, bytes = r.compactString, r.compactNullableString, r.compactBytes
	}
	v := &kmsg.GroupMetadataValue{Version: groupValueVersion, CurrentStateTimestamp: -1}
	v.ProtocolType, v.Generation = str(), r.int32()
	v.Protocol, v.Leader = nullable(), nullable()
	if version >= 2 {
		v.CurrentStateTimestamp = r.int64()
	}
	const smallestMember = 3 + 4 + 2 // three strings, a number and two byte arrays, flexible
	var n int
	if version >= 4 {
		n = r.compactArrayLen(smallestMember)
	} else {
		n = r.arrayLen(smallestMember)
	}
	for range n {
		m := kmsg.GroupMetadataValueMember{RebalanceTimeoutMillis: -1}
		m.MemberID = str()
		if version >= 3 {
			m.InstanceID = nullable()
		}
		m.ClientID, m.ClientHost = str(), str()
		if version >= 1 {
			m.RebalanceTimeoutMillis = r.int32()
		}
		m.SessionTimeoutMillis = r.int32()
		m.Subscription, m.Assignment = bytes(), bytes()
		if version >= 4 {
			r.tags(nil)
		}
		if r.bad {
			return nil, errShort
		}
		v.Members = append(v.Members, m)
	}
	if version >= 4 {
		r.tags(nil)
	}
	return v, r.err()
}
