package broker

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The codes and words are those of Apache Kafka 4.3.1.
func TestElectLeaders_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	n.createTopic("led", 1)
	r := n.dial()
	for version := int16(0); version <= 2; version++ {
		for _, kind := range []int8{0, 1, 5} {
			if version == 0 && kind > 0 {
				continue
			}
			req := kmsg.NewPtrElectLeadersRequest()
			req.Version, req.ElectionType = version, kind
			all := r.ask(req).(*kmsg.ElectLeadersResponse)
			req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "led", Partitions: []int32{0, 7}}, {Topic: "none", Partitions: []int32{0}}}
			some := r.ask(req).(*kmsg.ElectLeadersResponse)
			want := "led-0 84,led-7 3 No such partition as led-7,none-0 3 No such topic as none,"
			code := int16(0)
			if kind == 5 {
				code = 42
				want = "led-0 42 Unknown election type 5,led-7 42 Unknown election type 5,none-0 42 Unknown election type 5,"
			}
			if got := elected(some); got != want || some.ErrorCode != code {
				t.Errorf("version %d, type %d: %d %s", version, kind, some.ErrorCode, got)
			}
			if got := elected(all); got != "" || all.ErrorCode != code {
				t.Errorf("version %d, type %d, all: %d %s", version, kind, all.ErrorCode, got)
			}
		}
	}
}

func elected(resp *kmsg.ElectLeadersResponse) string {
	out := ""
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			out += fmt.Sprintf("%s-%d %d", t.Topic, p.Partition, p.ErrorCode)
			if p.ErrorCode != 84 && p.ErrorMessage != nil {
				out += " " + *p.ErrorMessage
			}
			out += ","
		}
	}
	return out
}
