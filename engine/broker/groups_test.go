package broker

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/replica"
)

var updateGroups = flag.Bool("update-groups", false, "write what the conversation of TestGroups_EveryVersion now gives")

const groupsTranscript = "testdata/groups_every_version.txt"

// TestGroups_EveryVersion holds one conversation for each version of the group
// APIs, in their own encodings, and compares it with what Apache Kafka 4.3.1
// answered. With LOGARIUM_PEER=host:port it talks to that broker instead (made
// with group.initial.rebalance.delay.ms=0).
func TestGroups_EveryVersion(t *testing.T) {
	peer := &testNode{t: t, network: netx.OS(), address: os.Getenv("LOGARIUM_PEER")}
	if peer.address == "" {
		peer = startNode(t, nodeOptions{durability: replica.Memory})
	}
	c := &talker{raw: peer.dial()}
	c.createTopic("conversation", 3)
	for v := int16(0); v <= 9; v++ {
		c.converse(v)
	}
	for _, v := range []int16{0, 3, 5, 9} {
		c.pair(v, &talker{raw: peer.dial()})
	}
	for v := int16(5); v <= 9; v++ {
		c.static(v)
	}
	c.coordinators()
	got := c.transcript.String()
	if *updateGroups {
		if err := os.WriteFile(groupsTranscript, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(groupsTranscript)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("line %d\n got %s\nwant %s", i+1, g, w)
		}
	}
}

// talker keeps a transcript of what it asks and hears.
type talker struct {
	*raw
	topicID    [16]byte
	transcript strings.Builder
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// tell writes the answer to the transcript, without what is by chance.
func (c *talker) tell(what string, req kmsg.Request) kmsg.Response {
	c.t.Helper()
	resp := c.ask(req)
	c.told(what, req, resp)
	return resp
}

func (c *talker) told(what string, req kmsg.Request, resp kmsg.Response) {
	c.t.Helper()
	text, err := json.Marshal(resp)
	if err != nil {
		c.t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		c.t.Fatal(err)
	}
	fmt.Fprintf(&c.transcript, "%s v%d %s:%s\n", kmsg.NameForKey(req.Key()), req.GetVersion(), what, uuids.ReplaceAllString(c.show(tree), "UUID"))
}

// show writes a decoded answer; fields that say nothing are left out.
func (c *talker) show(v any) string {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		var s strings.Builder
		for _, name := range names {
			switch name {
			case "Version", "ThrottleMillis", "UnknownTags", "Port", "NodeID", "ErrorMessage":
				continue
			case "ErrorCode":
				if code := int16(v[name].(float64)); code != 0 {
					fmt.Fprintf(&s, " %s", kerr.TypedErrorForCode(code).Message)
				}
				continue
			}
			text := c.show(v[name])
			if text == "" {
				continue
			}
			if name == "TopicID" {
				id, _ := json.Marshal(c.topicID)
				known, _ := json.Marshal(v[name])
				switch string(known) {
				case string(id):
					text = "conversation's"
				case "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]":
					continue
				default:
					text = "another's"
				}
			}
			fmt.Fprintf(&s, " %s=%s", name, text)
		}
		return s.String()
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, strings.TrimSpace(c.show(e)))
		}
		slices.Sort(parts) // no order is promised
		return "[" + strings.Join(parts, "; ") + "]"
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}

func (c *talker) createTopic(name string, partitions int32) {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, 10_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	resp := c.ask(req).(*kmsg.CreateTopicsResponse)
	if code := resp.Topics[0].ErrorCode; code != 0 {
		c.t.Fatal(kerr.ErrorForCode(code))
	}
	c.topicID = resp.Topics[0].TopicID
	// Kafka makes __consumer_offsets while it answers, and loads it after that.
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKeys = 4, []string{"g"}
	c.until(func() bool { return c.ask(find).(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode == 0 })
	for i := range 30 {
		probe := kmsg.NewPtrOffsetDeleteRequest()
		probe.Group = fmt.Sprintf("%s-%d", []string{"conversation", "pair", "static"}[i/10], i%10)
		c.until(func() bool { return c.ask(probe).(*kmsg.OffsetDeleteResponse).ErrorCode == kerr.GroupIDNotFound.Code })
	}
}

// until asks until the answer is yes: what the broker does in the meantime
// cannot be awaited from outside.
func (c *talker) until(yes func() bool) {
	c.t.Helper()
	for range 1000 {
		if yes() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("the broker does not get ready")
}
