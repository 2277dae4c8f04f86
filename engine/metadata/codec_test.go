package metadata

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oneOfEach holds a record of every type, with every field set.
func oneOfEach() []Record {
	value := "v"
	return []Record{
		ClusterRecord{"cluster"},
		ControllerRecord{ID: 3, Epoch: 70000},
		BrokerRegistrationRecord{ID: 1, Epoch: 1 << 40, Rack: "rack", Listeners: []Listener{{"A", "a", 1}, {"B", "b", 65535}}, Fenced: true, Draining: true, Incarnation: id(9)},
		BrokerChangeRecord{ID: 1, Fenced: true, Draining: true, Cause: CauseStart},
		TopicRecord{ID: id(7), Name: "topic"},
		PartitionRecord{TopicID: id(7), Partition: 0, Leader: -1, LeaderEpoch: 5, PartitionEpoch: 6, Replicas: []int32{1, 2, 3}, ISR: []int32{2},
			Adding: []int32{3}, Removing: []int32{1}, ELR: []int32{1}, LastKnownELR: []int32{3}},
		PartitionChangeRecord{TopicID: id(7), Partition: 0, Leader: LeaderUnchanged, ISR: []int32{}, Adding: []int32{}, Cause: CauseSession},
		PartitionChangeRecord{TopicID: id(7), Partition: 0, Leader: 2, Replicas: []int32{9}, Removing: []int32{4}, ELR: []int32{5, 6}, LastKnownELR: []int32{7}},
		RemoveTopicRecord{ID: id(7)},
		ConfigRecord{Resource: Resource{ResourceBroker, "1"}, Name: "name", Value: &value},
		ConfigRecord{Resource: Resource{ResourceTopic, "topic"}, Name: "name"},
		ProducerIDsRecord{BrokerID: 2, Next: 1 << 50},
		UnregisterBrokerRecord{ID: 1},
		LeaderEpochsRecord{},
	}
}

// released holds the records that the first released version wrote, one of
// each type and version (testdata/records-v0.bin).
func released() []Record {
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

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReleasedFormats reads what the first released version wrote.
func TestReleasedFormats(t *testing.T) {
	recs, err := DecodeRecords(testdata(t, "records-v0.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(released(), recs); diff != "" {
		t.Error(diff)
	}
	img, err := ReadImage(testdata(t, "image-v0.bin"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := img.Broker(2)
	if img.Offset() != 9 || img.ClusterID() != "c" || len(img.Topic("a.b").Partitions) != 2 || !b.Fenced || img.NextProducerID() != 2000 {
		t.Errorf("offset %d, cluster %s, topic %+v, broker %+v", img.Offset(), img.ClusterID(), img.Topic("a.b"), b)
	}
	again, err := ReadImage(img.AppendTo(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.AppendTo(nil), img.AppendTo(nil)) {
		t.Error("the image of an old snapshot is another one in the new version")
	}
}

func TestRecords_ReadAsWritten(t *testing.T) {
	recs := oneOfEach()
	if len(decoders) != 12 {
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
		"newer still":     {3, byte(kindBrokerChange), 2, 2},
		"unknown cause":   {6, byte(kindBrokerChange), 1, 2, 0, 0, causes},
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
	f.Add(testdata(f, "records-v0.bin"))
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
