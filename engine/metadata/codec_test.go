package metadata

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oneOfEach holds a record of every type, with every field set.
func oneOfEach() []Record {
	value := "v"
	return []Record{
		ClusterRecord{"cluster"},
		ControllerRecord{ID: 3, Epoch: 70000},
		BrokerRegistrationRecord{ID: 1, Epoch: 1 << 40, Rack: "rack", Listeners: []Listener{{"A", "a", 1}, {"B", "b", 65535}}, Fenced: true},
		BrokerChangeRecord{ID: 1, Fenced: true},
		TopicRecord{ID: id(7), Name: "topic"},
		PartitionRecord{TopicID: id(7), Partition: 0, Leader: -1, LeaderEpoch: 5, PartitionEpoch: 6, Replicas: []int32{1, 2, 3}, ISR: []int32{2}},
		PartitionChangeRecord{TopicID: id(7), Partition: 0, Leader: LeaderUnchanged, ISR: []int32{}},
		PartitionChangeRecord{TopicID: id(7), Partition: 0, Leader: 2, Replicas: []int32{9}},
		RemoveTopicRecord{ID: id(7)},
		ConfigRecord{Resource: Resource{ResourceBroker, "1"}, Name: "name", Value: &value},
		ConfigRecord{Resource: Resource{ResourceTopic, "topic"}, Name: "name"},
		ProducerIDsRecord{BrokerID: 2, Next: 1 << 50},
	}
}

func TestRecords_ReadAsWritten(t *testing.T) {
	recs := oneOfEach()
	if len(decoders) != 10 {
		t.Errorf("%d types of records can be read; does the list above have them all?", len(decoders))
	}
	got, err := DecodeRecords(AppendRecords(nil, recs...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(recs, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRecords_RefusesEveryCut(t *testing.T) {
	for _, r := range oneOfEach() {
		b := AppendRecords(nil, r)
		for n := 1; n < len(b); n++ {
			if _, err := DecodeRecords(b[:n]); err == nil {
				t.Errorf("%T cut to %d of %d bytes was read", r, n, len(b))
			}
		}
	}
	for name, b := range map[string][]byte{
		"unknown type":    {2, 200, 0},
		"newer version":   {2, byte(kindTopic), 1},
		"bytes too many":  {4, byte(kindCluster), 0, 0, 0},
		"a list too long": {5, byte(kindBrokerRegistration), 0, 2, 0, 0xff},
		"a bool of 2":     {4, byte(kindBrokerChange), 0, 2, 2},
	} {
		if _, err := DecodeRecords(b); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func FuzzDecodeRecords(f *testing.F) {
	f.Add(AppendRecords(nil, oneOfEach()...))
	for _, r := range oneOfEach() {
		f.Add(AppendRecords(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		recs, err := DecodeRecords(b)
		if err != nil {
			return
		}
		again := AppendRecords(nil, recs...)
		back, err := DecodeRecords(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(recs, back); diff != "" {
			t.Fatal(diff)
		}
		if i, _, err := NewImage(nil).Apply(recs...); err == nil {
			j, err := ReadImage(i.AppendTo(nil), nil)
			if err != nil {
				t.Fatalf("the image of valid records cannot be read back: %v", err)
			}
			if !bytes.Equal(i.AppendTo(nil), j.AppendTo(nil)) {
				t.Fatal("a snapshot changed the image")
			}
		}
	})
}
