package group

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// records compares decoded records: no byte and no bytes are the same.
var records = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b kmsg.Tags) bool { return a.Len() == b.Len() }),
}

// TestDecode_AllVersions holds every version that Kafka has written against
// kmsg's encoding of it.
func TestDecode_AllVersions(t *testing.T) {
	id := [16]byte{1, 2, 3}
	for version := int16(0); version <= 4; version++ {
		v := kmsg.OffsetCommitValue{Version: version, Offset: 1 << 40, LeaderEpoch: 7, Metadata: "méta", CommitTimestamp: 99, ExpireTimestamp: 101, TopicID: id}
		want := Offset{Offset: 1 << 40, LeaderEpoch: -1, Metadata: "méta", CommitTime: 99, ExpireTime: -1}
		if version >= 3 {
			want.LeaderEpoch = 7
		}
		if version == 1 {
			want.ExpireTime = 101
		}
		if version == 4 {
			want.TopicID = id
			v.UnknownTags.Set(9, []byte("future"))
		}
		k := kmsg.OffsetCommitKey{Version: min(version, 1), Group: "g", Topic: "t", Partition: 3}
		got, err := Decode(k.AppendTo(nil), v.AppendTo(nil))
		if err != nil {
			t.Fatalf("offset version %d: %v", version, err)
		}
		if diff := cmp.Diff(Record(OffsetRecord{"g", "t", 3, &want}), got, records); diff != "" {
			t.Errorf("offset version %d: %s", version, diff)
		}
	}
	for version := int16(0); version <= 4; version++ {
		v := kmsg.GroupMetadataValue{
			Version: version, ProtocolType: "consumer", Generation: 4, Protocol: kmsg.StringPtr("range"), Leader: nil, CurrentStateTimestamp: 5,
			Members: []kmsg.GroupMetadataValueMember{{
				MemberID: "m", InstanceID: kmsg.StringPtr("i"), ClientID: "c", ClientHost: "/h", RebalanceTimeoutMillis: 6,
				SessionTimeoutMillis: 7, Subscription: []byte("s"), Assignment: []byte{},
			}},
		}
		k := kmsg.GroupMetadataKey{Version: 2, Group: "g"}
		got, err := Decode(k.AppendTo(nil), v.AppendTo(nil))
		if err != nil {
			t.Fatalf("group version %d: %v", version, err)
		}
		v.Version = groupValueVersion
		if version < 3 {
			v.Members[0].InstanceID = nil
		}
		if version < 2 {
			v.CurrentStateTimestamp = -1
		}
		if version < 1 {
			v.Members[0].RebalanceTimeoutMillis = -1
		}
		if diff := cmp.Diff(Record(GroupRecord{"g", &v}), got, records); diff != "" {
			t.Errorf("group version %d: %s", version, diff)
		}
	}
}

// FuzzDecode feeds anything to the decoder: it may refuse, and what it takes it
// must write so that it reads the same.
func FuzzDecode(f *testing.F) {
	o := &Offset{Offset: 5, LeaderEpoch: 1, Metadata: "m", CommitTime: 9, ExpireTime: -1, TopicID: [16]byte{1}}
	expiring := *o
	expiring.ExpireTime, expiring.TopicID, expiring.LeaderEpoch = 10, [16]byte{}, -1
	for _, r := range []Record{
		OffsetRecord{"g", "t", 1, o},
		OffsetRecord{"g", "t", 1, &expiring},
		OffsetRecord{"g", "t", 1, nil},
		GroupRecord{"g", &kmsg.GroupMetadataValue{ProtocolType: "consumer", Members: []kmsg.GroupMetadataValueMember{{MemberID: "m"}}}},
	} {
		f.Add(r.Key(), r.Value())
	}
	flexible := kmsg.GroupMetadataValue{Version: 4, Members: []kmsg.GroupMetadataValueMember{{MemberID: "m"}}}
	key := kmsg.GroupMetadataKey{Version: 2, Group: "g"}
	f.Add(key.AppendTo(nil), flexible.AppendTo(nil))
	f.Add([]byte{0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 0}, append(bytes.Repeat([]byte{0}, 24), 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := Decode(key, value)
		if err != nil {
			return
		}
		again, err := Decode(r.Key(), r.Value())
		if err != nil {
			t.Fatalf("%+v is written so that it cannot be read: %v", r, err)
		}
		if diff := cmp.Diff(r, again, records); diff != "" {
			if o, ok := r.(OffsetRecord); ok && o.Offset.ExpireTime >= 0 {
				return // version 1 has no place for the rest
			}
			t.Fatalf("%+v does not come back: %s", r, diff)
		}
		New(Settings{}).Replay(r)
	})
}

// FuzzConsumerProtocol feeds anything to the readers of what members send.
func FuzzConsumerProtocol(f *testing.F) {
	f.Add(subscription("a", "b"))
	f.Add(assignmentOf([]topicPartition{{"a", 1}, {"b", 2}}))
	f.Add([]byte{0, 0, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		topics, err := subscribedTopics(b)
		if err == nil && len(topics) > len(b) {
			t.Fatalf("%d topics out of %d bytes", len(topics), len(b))
		}
		tps, err := assignedPartitions(b)
		if err == nil && len(tps) > len(b) {
			t.Fatalf("%d partitions out of %d bytes", len(tps), len(b))
		}
		describeAssignment(tps)
	})
}

func TestConsumerProtocol(t *testing.T) {
	topics, err := subscribedTopics(subscription("a", "b"))
	if err != nil || !cmp.Equal(topics, []string{"a", "b"}) {
		t.Errorf("topics %q, %v", topics, err)
	}
	if _, err := subscribedTopics(subscription("a")[:6]); err == nil {
		t.Error("half a subscription is taken")
	}
	tps, err := assignedPartitions(assignmentOf([]topicPartition{{"b", 2}, {"a", 10}, {"b", 1}, {"a", 9}}))
	if err != nil || describeAssignment(tps) != "a 9 10, b 1 2" {
		t.Errorf("assignment %q, %v", describeAssignment(tps), err)
	}
}

func TestShorten(t *testing.T) {
	var tps []topicPartition
	for i := range int32(1000) {
		tps = append(tps, topicPartition{"topic", i})
	}
	long := describeAssignment(tps)
	short := shorten(long)
	if len(short) > longestTold+4 || !strings.HasPrefix(long, strings.TrimSuffix(short, "…")) || shorten("a 1 2") != "a 1 2" {
		t.Errorf("%d bytes become %q", len(long), short)
	}
	if fingerprint("") != 0 || fingerprint("a 1") == fingerprint("a 2") {
		t.Error("fingerprints do not tell assignments apart")
	}
}
