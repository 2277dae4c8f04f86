package broker

import (
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAlterConfigs_ReplacesAll(t *testing.T) {
	n := startNode(t, nodeOptions{})
	r := n.dial()
	for version := int16(0); version <= 2; version++ {
		name := "t" + string(rune('0'+version))
		n.createTopic(name, 1, "retention.ms", "1000", "segment.ms", "5")
		req := kmsg.NewPtrAlterConfigsRequest()
		req.Version = version
		res := kmsg.NewAlterConfigsRequestResource()
		res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, name
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		c.Name, c.Value = "segment.ms", kmsg.StringPtr("7")
		res.Configs = append(res.Configs, c)
		req.Resources = append(req.Resources, res)
		for _, dry := range []bool{true, false} {
			req.ValidateOnly = dry
			if got := r.ask(req).(*kmsg.AlterConfigsResponse).Resources[0]; got.ErrorCode != 0 || got.ResourceName != name {
				t.Fatalf("version %d: %+v", version, got)
			}
			want := map[string]string{"segment.ms": "7"}
			if dry {
				want = map[string]string{"retention.ms": "1000", "segment.ms": "5"}
			}
			if have := n.controller.Image().Topic(name).Config; !maps.Equal(have, want) {
				t.Errorf("version %d, dry %v: %v", version, dry, have)
			}
		}
	}
}
