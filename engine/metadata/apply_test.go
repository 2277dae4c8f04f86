package metadata

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// id returns a topic id that is told by its number.
func id(n byte) UUID { return UUID{0: n, 15: n} }

// apply applies records and fails the test if they do not fit.
func apply(t testing.TB, i *Image, recs ...Record) (*Image, *Delta) {
	t.Helper()
	next, d, err := i.Apply(recs...)
	if err != nil {
		t.Fatal(err)
	}
	return next, d
}

// topic returns the records of a topic whose partitions are all on broker 1.
func topic(n byte, name string, partitions int32) []Record {
	recs := []Record{TopicRecord{ID: id(n), Name: name}}
	for p := range partitions {
		recs = append(recs, PartitionRecord{TopicID: id(n), Partition: p, Leader: 1, Replicas: []int32{1}, ISR: []int32{1}})
	}
	return recs
}

func names(topics []*Topic) []string {
	var out []string
	for _, t := range topics {
		out = append(out, t.Name)
	}
	return out
}

// told writes down a delta.
func told(d *Delta) string {
	s := fmt.Sprintf("+%v -%v", names(d.TopicsCreated), names(d.TopicsDeleted))
	for _, p := range d.PartitionsChanged {
		s += fmt.Sprintf(" %s-%d", p.Topic.Name, p.Partition)
		if p.Old == nil {
			s += " new"
		} else if p.Elected() {
			s += fmt.Sprintf(" leader %d", p.New.Leader)
		}
	}
	for _, c := range d.ConfigsChanged {
		s += fmt.Sprintf(" config %d/%s %v", c.Resource.Type, c.Resource.Name, c.Names)
	}
	for _, b := range d.BrokersChanged {
		s += fmt.Sprintf(" broker %d", b.New.ID)
	}
	return s
}

func config(of Resource, name, value string) Record {
	return ConfigRecord{Resource: of, Name: name, Value: &value}
}

func TestApply_DeltaTellsWhatChanged(t *testing.T) {
	base, _ := apply(t, NewImage(nil), append(topic(1, "a", 2), topic(2, "b", 1)...)...)
	base, _ = apply(t, base, BrokerRegistrationRecord{ID: 1, Epoch: 9}, config(Resource{ResourceTopic, "b"}, "retention.ms", "1"))
	for _, c := range []struct {
		name string
		recs []Record
		want string
	}{
		{"nothing", nil, "+[] -[]"},
		{"a topic made", topic(3, "c", 2), "+[c] -[]"},
		{"a topic removed", []Record{RemoveTopicRecord{id(1)}}, "+[] -[a]"},
		{"made and removed", append(topic(3, "c", 1), RemoveTopicRecord{id(3)}), "+[] -[]"},
		{"removed and made again", append([]Record{RemoveTopicRecord{id(1)}}, topic(3, "a", 1)...), "+[a] -[a]"},
		{"a partition added", []Record{PartitionRecord{TopicID: id(1), Partition: 2, Leader: 1}}, "+[] -[] a-2 new"},
		{"a leader lost", []Record{PartitionChangeRecord{TopicID: id(1), Partition: 1, Leader: NoLeader}}, "+[] -[] a-1 leader -1"},
		{"an ISR changed", []Record{PartitionChangeRecord{TopicID: id(1), Partition: 1, Leader: LeaderUnchanged, ISR: []int32{1, 2}}}, "+[] -[] a-1"},
		{"a setting", []Record{config(Resource{ResourceTopic, "a"}, "segment.ms", "1")}, "+[] -[] config 2/a [segment.ms]"},
		{"settings of brokers", []Record{config(Resource{ResourceBroker, ""}, "b", "1"), config(Resource{ResourceBroker, "1"}, "a", "1")},
			"+[] -[] config 4/ [b] config 4/1 [a]"},
		{"a broker", []Record{BrokerChangeRecord{ID: 1, Fenced: true}}, "+[] -[] broker 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := base.AppendTo(nil)
			next, d := apply(t, base, c.recs...)
			if got := told(d); got != c.want {
				t.Errorf("told %s\nwant %s", got, c.want)
			}
			if !slices.Equal(before, base.AppendTo(nil)) {
				t.Error("the image before has changed")
			}
			if next.Offset() != base.Offset()+int64(len(c.recs)) {
				t.Errorf("offset %d after %d and %d records", next.Offset(), base.Offset(), len(c.recs))
			}
			if got := told(next.Since(base)); got != c.want {
				t.Errorf("a comparison tells %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestApply_RefusesWhatDoesNotFit(t *testing.T) {
	base, _ := apply(t, NewImage(nil), append(topic(1, "a", 1), ClusterRecord{"c"}, ProducerIDsRecord{Next: 10}, ControllerRecord{ID: 1, Epoch: 5})...)
	for name, r := range map[string]Record{
		"another cluster":        ClusterRecord{"d"},
		"an older controller":    ControllerRecord{ID: 2, Epoch: 4},
		"a negative broker":      BrokerRegistrationRecord{ID: -1},
		"an unknown broker":      BrokerChangeRecord{ID: 9},
		"a name that is taken":   TopicRecord{ID: id(2), Name: "a"},
		"an id that is taken":    TopicRecord{ID: id(1), Name: "b"},
		"no id":                  TopicRecord{Name: "b"},
		"a bad name":             TopicRecord{ID: id(2), Name: "a/b"},
		"a partition of none":    PartitionRecord{TopicID: id(9)},
		"a gap":                  PartitionRecord{TopicID: id(1), Partition: 2},
		"an unknown partition":   PartitionChangeRecord{TopicID: id(1), Partition: 1},
		"a negative partition":   PartitionChangeRecord{TopicID: id(1), Partition: -1},
		"removing nothing":       RemoveTopicRecord{id(9)},
		"settings of no topic":   config(Resource{ResourceTopic, "x"}, "a", "b"),
		"settings of no broker":  config(Resource{ResourceBroker, "x"}, "a", "b"),
		"settings of no kind":    config(Resource{99, "x"}, "a", "b"),
		"producer ids backwards": ProducerIDsRecord{Next: 9},
	} {
		if _, _, err := base.Apply(r); err == nil {
			t.Errorf("%s: %+v was applied", name, r)
		}
	}
	if _, _, err := base.Apply(RemoveTopicRecord{id(1)}, RemoveTopicRecord{id(1)}); err == nil {
		t.Error("a topic was removed twice")
	}
}

func TestApply_EpochsGrow(t *testing.T) {
	i, _ := apply(t, NewImage(nil), topic(1, "a", 1)...)
	i, _ = apply(t, i, PartitionChangeRecord{TopicID: id(1), Leader: NoLeader})
	i, _ = apply(t, i, PartitionChangeRecord{TopicID: id(1), Leader: 1})
	i, _ = apply(t, i, PartitionChangeRecord{TopicID: id(1), Leader: LeaderUnchanged, ISR: []int32{1, 2}, Replicas: []int32{1, 2}})
	want := Partition{Leader: 1, LeaderEpoch: 2, PartitionEpoch: 3, Replicas: []int32{1, 2}, ISR: []int32{1, 2}}
	if diff := cmp.Diff(want, i.Topic("a").Partitions[0]); diff != "" {
		t.Error(diff)
	}
}

func TestImage_NamesThatCollide(t *testing.T) {
	i, _ := apply(t, NewImage(nil), append(topic(1, "a.b", 1), topic(2, "plain", 1)...)...)
	for name, want := range map[string]string{"a_b": "a.b", "a.b": "a.b", "a.c": "", "plain": ""} {
		if got := i.Colliding(name); got != want {
			t.Errorf("%s collides with %q, want %q", name, got, want)
		}
	}
	i, _ = apply(t, i, RemoveTopicRecord{id(1)})
	if got := i.Colliding("a_b"); got != "" {
		t.Errorf("collides with %q, which is gone", got)
	}
}

func TestSnapshot_KeepsEverything(t *testing.T) {
	i, _ := apply(t, NewImage(nil), ClusterRecord{"cluster"}, ControllerRecord{ID: 2, Epoch: 7},
		BrokerRegistrationRecord{ID: 3, Epoch: 2, Rack: "r", Listeners: []Listener{{"L", "h", 9}}, Fenced: true},
		BrokerRegistrationRecord{ID: 1, Epoch: 3}, ProducerIDsRecord{BrokerID: 1, Next: 3000})
	i, _ = apply(t, i, append(topic(1, "a.b", 3), topic(2, ConsumerOffsetsTopic, 1)...)...)
	i, _ = apply(t, i, PartitionChangeRecord{TopicID: id(1), Partition: 1, Leader: NoLeader},
		config(Resource{ResourceTopic, "a.b"}, "retention.ms", "5"), config(Resource{ResourceBroker, ""}, "x", ""), config(Resource{ResourceBroker, "3"}, "y", "z"))
	got, err := ReadImage(i.AppendTo(nil), map[string]string{"num.partitions": "4"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(i.Records(), got.Records()); diff != "" {
		t.Error(diff)
	}
	if got.Offset() != i.Offset() || got.PartitionCount() != 4 || got.Colliding("a_b") != "a.b" || !got.Topic(ConsumerOffsetsTopic).Internal {
		t.Errorf("offset %d, %d partitions", got.Offset(), got.PartitionCount())
	}
	if d := told(got.Since(i)); d != "+[] -[]" {
		t.Errorf("differs by %s", d)
	}
	if got.BrokerInt("num.partitions") != 4 {
		t.Error("the static settings are lost")
	}
}

func TestUUID_Text(t *testing.T) {
	u := NewUUID()
	back, err := ParseUUID(u.String())
	if err != nil || back != u || len(u.String()) != 22 {
		t.Errorf("%s became %s: %v", u, back, err)
	}
	for _, s := range []string{"", "x", u.String() + "A", "!!!!!!!!!!!!!!!!!!!!!!", string(make([]byte, 1000))} {
		if _, err := ParseUUID(s); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

func TestValidateTopicName(t *testing.T) {
	long := string(slices.Repeat([]byte{'x'}, MaxTopicName+1))
	for _, name := range []string{"", ".", "..", "a/b", "a b", "ä", "a\x00", long} {
		if ValidateTopicName(name) == nil {
			t.Errorf("%q is allowed", name)
		}
	}
	for _, name := range []string{"a", "A.b_c-9", "...", long[1:]} {
		if err := ValidateTopicName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// thousandTopics returns the records of 1,000 topics with 5 partitions each.
func thousandTopics() []Record {
	var recs []Record
	for n := range 1000 {
		u := UUID{byte(n >> 8), byte(n), 7: 1, 15: byte(n)}
		recs = append(recs, TopicRecord{ID: u, Name: fmt.Sprint("topic-", n)})
		for p := range int32(5) {
			recs = append(recs, PartitionRecord{TopicID: u, Partition: p, Leader: 1, Replicas: []int32{1}, ISR: []int32{1}})
		}
	}
	return recs
}

func BenchmarkApply_ThousandTopics(b *testing.B) {
	recs := thousandTopics()
	empty := NewImage(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := empty.Apply(recs...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply_OneTopicAmongAThousand(b *testing.B) {
	i, _ := apply(b, NewImage(nil), thousandTopics()...)
	recs := topic(255, "one-more", 3)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := i.Apply(recs...); err != nil {
			b.Fatal(err)
		}
	}
}
