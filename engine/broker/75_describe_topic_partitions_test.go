package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// describePartitions asks and writes the answer down as "topic(code):0,1 ... > cursor".
func (r *raw) describePartitions(limit int32, cursor string, names ...string) string {
	r.t.Helper()
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = limit
	for _, name := range names {
		topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
		topic.Topic = name
		req.Topics = append(req.Topics, topic)
	}
	if cursor != "" {
		c := kmsg.NewDescribeTopicPartitionsRequestCursor()
		if _, err := fmt.Sscanf(cursor, "%2s/%d", &c.Topic, &c.Partition); err != nil {
			r.t.Fatal(err)
		}
		req.Cursor = &c
	}
	resp := r.ask(req).(*kmsg.DescribeTopicPartitionsResponse)
	var out []string
	for _, topic := range resp.Topics {
		var parts []string
		for _, p := range topic.Partitions {
			if p.LeaderID != 1 || len(p.Replicas) != 1 || len(p.ISR) != 1 {
				r.t.Errorf("%+v", p)
			}
			parts = append(parts, fmt.Sprint(p.Partition))
		}
		s := *topic.Topic
		if topic.ErrorCode != 0 {
			s += fmt.Sprintf("(%d)", topic.ErrorCode)
		} else if topic.AuthorizedOperations != 3576 {
			r.t.Errorf("operations %d", topic.AuthorizedOperations)
		}
		out = append(out, s+":"+strings.Join(parts, ","))
	}
	if resp.NextCursor != nil {
		out = append(out, fmt.Sprintf("> %s/%d", resp.NextCursor.Topic, resp.NextCursor.Partition))
	}
	return strings.Join(out, " ")
}

// TestDescribeTopicPartitions_Pages has the answers of Apache Kafka 4.3.1.
func TestDescribeTopicPartitions_Pages(t *testing.T) {
	n := startNode(t, nodeOptions{})
	n.createTopic("z2", 3)
	n.createTopic("z1", 3)
	r := n.dial()
	for _, c := range []struct {
		what   string
		limit  int32
		cursor string
		names  []string
		want   string
	}{
		{"all", 2000, "", nil, "z1:0,1,2 z2:0,1,2"},
		{"named", 2000, "", []string{"z2", "no", "z1", "a/b", "z1"}, "a/b(17): no(3): z1:0,1,2 z2:0,1,2"},
		{"limit 2", 2, "", []string{"z1", "z2"}, "z1:0,1 > z1/2"},
		{"limit 3", 3, "", []string{"z1", "z2"}, "z1:0,1,2 > z2/0"},
		{"the rest", 4, "z1/2", []string{"z1", "z2"}, "z1:2 z2:0,1,2"},
		{"the rest of all", 4, "z1/2", nil, "z1:2 z2:0,1,2"},
		{"a topic that is gone", 4, "z0/2", nil, "z1:0,1,2 z2:0 > z2/1"},
		{"limit 0", 0, "", []string{"z1"}, "z1:0 > z1/1"},
		{"limit -1", -1, "", []string{"z1"}, "z1:0 > z1/1"},
		{"beyond", 4, "z1/9", []string{"z1", "z2"}, "z1: z2:0,1,2"},
		{"negative", 4, "z1/-1", []string{"z1", "z2"}, "z1(42): z2(42):"},
		{"not asked for", 4, "z0/0", []string{"z1", "z2"}, "z1(42): z2(42):"},
	} {
		if got := r.describePartitions(c.limit, c.cursor, c.names...); got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
	capped := startNode(t, nodeOptions{settings: map[string]string{"max.request.partition.size.limit": "2"}})
	capped.createTopic("z1", 3)
	if got := capped.dial().describePartitions(1000, ""); got != "z1:0,1 > z1/2" {
		t.Errorf("capped: %s", got)
	}
}

// TestDescribeTopicPartitions_ListsAreNeverNull looks at what is encoded: kmsg
// reads a null list and an empty one as the same.
func TestDescribeTopicPartitions_ListsAreNeverNull(t *testing.T) {
	n := startNode(t, nodeOptions{})
	made := n.createTopic("t", 1)
	p := pager{img: n.controller.Image()}
	out := p.partition(&made.Partitions[0], 0)
	if out.EligibleLeaderReplicas == nil || out.LastKnownELR == nil || out.OfflineReplicas == nil {
		t.Errorf("%+v", out)
	}
	must(t, n.controller.FenceBroker(context.Background(), 1))
	p.img = n.controller.Image()
	out = p.partition(&p.img.Topic("t").Partitions[0], 0)
	if out.ErrorCode != 0 || out.LeaderID != -1 || len(out.OfflineReplicas) != 1 {
		t.Errorf("without a leader: %+v", out)
	}
}
