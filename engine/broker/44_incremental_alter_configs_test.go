package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestIncrementalAlterConfigs_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	n.createTopic("t", 1)
	r := n.dial()
	for version := int16(0); version <= 1; version++ {
		for _, step := range []struct {
			op    kmsg.IncrementalAlterConfigOp
			value string
			want  string
		}{
			{kmsg.IncrementalAlterConfigOpSet, "compact", "compact"},
			{kmsg.IncrementalAlterConfigOpAppend, "delete", "compact,delete"},
			{kmsg.IncrementalAlterConfigOpSubtract, "compact", "delete"},
			{kmsg.IncrementalAlterConfigOpDelete, "", ""},
		} {
			req := kmsg.NewPtrIncrementalAlterConfigsRequest()
			req.Version = version
			for _, of := range []struct {
				kind kmsg.ConfigResourceType
				name string
			}{{kmsg.ConfigResourceTypeGroupConfig, "g"}, {kmsg.ConfigResourceTypeTopic, "t"}, {kmsg.ConfigResourceTypeTopic, "nope"}} {
				res := kmsg.NewIncrementalAlterConfigsRequestResource()
				res.ResourceType, res.ResourceName = of.kind, of.name
				c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
				c.Name, c.Op, c.Value = "cleanup.policy", step.op, kmsg.StringPtr(step.value)
				res.Configs = append(res.Configs, c)
				req.Resources = append(req.Resources, res)
			}
			got := r.ask(req).(*kmsg.IncrementalAlterConfigsResponse).Resources
			if got[0].ErrorCode != kerr.InvalidRequest.Code || got[0].ErrorMessage == nil || got[1].ErrorCode != 0 || got[1].ResourceName != "t" ||
				got[2].ErrorCode != kerr.UnknownTopicOrPartition.Code {
				t.Fatalf("version %d: %+v", version, got)
			}
			if have := n.controller.Image().Topic("t").Config["cleanup.policy"]; have != step.want {
				t.Errorf("version %d, operation %d: %q, want %q", version, step.op, have, step.want)
			}
		}
	}
}
