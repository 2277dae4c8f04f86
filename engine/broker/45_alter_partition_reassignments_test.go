package broker

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func reassign(replicas ...[]int32) *kmsg.AlterPartitionAssignmentsRequest {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	for _, topic := range []string{"moved", "none"} {
		t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
		t.Topic = topic
		for i, r := range replicas {
			p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			p.Partition, p.Replicas = int32(i), r
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}

// The codes and words are those of Apache Kafka 4.3.1.
func TestAlterPartitionReassignments_Errors(t *testing.T) {
	n := startNode(t, nodeOptions{others: 2})
	n.createTopic("moved", 2)
	r := n.dial()
	for version := int16(0); version <= 1; version++ {
		req := reassign(nil, []int32{}, []int32{1})
		req.Version = version
		got := r.ask(req).(*kmsg.AlterPartitionAssignmentsResponse)
		if got.ErrorCode != 0 || len(got.Topics) != 2 || len(got.Topics[0].Partitions) != 3 {
			t.Fatalf("version %d: %+v", version, got)
		}
		for i, want := range []int16{85, 39, 3} {
			if p := got.Topics[0].Partitions[i]; p.ErrorCode != want {
				t.Errorf("version %d, partition %d: %d %v", version, i, p.ErrorCode, p.ErrorMessage)
			}
		}
		if p := got.Topics[1].Partitions[0]; p.ErrorCode != 3 || *p.ErrorMessage != "Unable to find a topic named none." {
			t.Errorf("version %d: %+v", version, p)
		}
	}
	for _, c := range []struct {
		replicas []int32
		words    string
	}{
		{[]int32{1, 1}, "The manual partition assignment includes the broker 1 more than once."},
		{[]int32{1, 99}, "The manual partition assignment includes broker 99, but no such broker is registered."},
	} {
		got := r.ask(reassign(c.replicas)).(*kmsg.AlterPartitionAssignmentsResponse)
		if p := got.Topics[0].Partitions[0]; p.ErrorCode != 39 || *p.ErrorMessage != c.words {
			t.Errorf("%v: %d %q", c.replicas, p.ErrorCode, *p.ErrorMessage)
		}
	}
	req := reassign([]int32{1, 2})
	req.Version, req.AllowReplicationFactorChange = 1, false
	got := r.ask(req).(*kmsg.AlterPartitionAssignmentsResponse)
	if p := got.Topics[0].Partitions[0]; p.ErrorCode != 38 || *p.ErrorMessage != "The replication factor is changed from 1 to 2" {
		t.Errorf("another factor that was forbidden: %+v", p)
	}
}

func TestListPartitionReassignments_ShowsMovesUntilTheyAreGivenUp(t *testing.T) {
	n := startNode(t, nodeOptions{others: 2})
	n.createTopic("moved", 2)
	n.createTopic("stays", 1)
	r := n.dial()
	got := r.ask(reassign([]int32{2, 3})).(*kmsg.AlterPartitionAssignmentsResponse)
	if p := got.Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Fatalf("%+v: %s", p, *p.ErrorMessage)
	}
	list := func(topics ...kmsg.ListPartitionReassignmentsRequestTopic) string {
		req := kmsg.NewPtrListPartitionReassignmentsRequest()
		req.Topics = topics
		out := ""
		resp := r.ask(req).(*kmsg.ListPartitionReassignmentsResponse)
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				out += fmt.Sprintf("%s-%d %v +%v -%v;", t.Topic, p.Partition, p.Replicas, p.AddingReplicas, p.RemovingReplicas)
			}
		}
		return out
	}
	topic := func(name string, partitions ...int32) kmsg.ListPartitionReassignmentsRequestTopic {
		return kmsg.ListPartitionReassignmentsRequestTopic{Topic: name, Partitions: partitions}
	}
	const moving = "moved-0 [2 3 1] +[2 3] -[1];"
	if got := list(); got != moving {
		t.Errorf("all: %q, want %q", got, moving)
	}
	if got := list(topic("moved", 1, 0, 7, -1), topic("none", 0)); got != moving {
		t.Errorf("asked for: %q", got)
	}
	if got := list(topic("moved", 1), topic("stays", 0)); got != "" {
		t.Errorf("others: %q", got)
	}
	if p := r.ask(reassign(nil)).(*kmsg.AlterPartitionAssignmentsResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Errorf("giving the move up: %+v", p)
	}
	if got := list(); got != "" {
		t.Errorf("after giving it up: %q", got)
	}
}
