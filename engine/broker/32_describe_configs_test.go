package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (r *raw) describeConfigs(version int16, of kmsg.ConfigResourceType, name string, names ...string) kmsg.DescribeConfigsResponseResource {
	r.t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version, req.IncludeSynonyms, req.IncludeDocumentation = version, true, true
	res := kmsg.NewDescribeConfigsRequestResource()
	res.ResourceType, res.ResourceName, res.ConfigNames = of, name, names
	req.Resources = append(req.Resources, res)
	return r.ask(req).(*kmsg.DescribeConfigsResponse).Resources[0]
}

func TestDescribeConfigs_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{settings: map[string]string{"num.partitions": "3"}})
	n.createTopic("t", 1, "retention.ms", "1000")
	r := n.dial()
	for version := int16(1); version <= 4; version++ {
		topic := r.describeConfigs(version, kmsg.ConfigResourceTypeTopic, "t", "retention.ms", "nope")
		if topic.ErrorCode != 0 || len(topic.Configs) != 1 {
			t.Fatalf("version %d: %+v", version, topic)
		}
		c := topic.Configs[0]
		if *c.Value != "1000" || c.Source != kmsg.ConfigSourceDynamicTopicConfig || c.IsDefault || c.ReadOnly || c.IsSensitive || len(c.ConfigSynonyms) != 2 {
			t.Errorf("version %d: %+v", version, c)
		}
		if version >= 3 && (c.ConfigType != kmsg.ConfigTypeLong || c.Documentation == nil || *c.Documentation == "") {
			t.Errorf("version %d: type %v, doc %v", version, c.ConfigType, c.Documentation)
		}
		broker := r.describeConfigs(version, kmsg.ConfigResourceTypeBroker, "1", "num.partitions", "node.id", "advertised.listeners")
		if len(broker.Configs) != 3 {
			t.Fatalf("version %d: %+v", version, broker)
		}
		for i, want := range []string{"PLAINTEXT://" + n.address, "1", "3"} {
			c := broker.Configs[i]
			if *c.Value != want || c.Source != kmsg.ConfigSourceStaticBrokerConfig || !c.ReadOnly {
				t.Errorf("version %d: %s = %s, %+v", version, c.Name, *c.Value, c)
			}
		}
	}
	if all := r.describeConfigs(4, kmsg.ConfigResourceTypeTopic, "t"); len(all.Configs) != 33 {
		t.Errorf("%d settings of a topic", len(all.Configs))
	}
	if all := r.describeConfigs(4, kmsg.ConfigResourceTypeBroker, ""); all.ErrorCode != 0 || len(all.Configs) != 0 {
		t.Errorf("nothing is set for all brokers, but: %+v", all)
	}
}

func TestDescribeConfigs_Refusals(t *testing.T) {
	r := startNode(t, nodeOptions{}).dial()
	for _, c := range []struct {
		of   kmsg.ConfigResourceType
		name string
		want *kerr.Error
	}{
		{kmsg.ConfigResourceTypeTopic, "nope", kerr.UnknownTopicOrPartition},
		{kmsg.ConfigResourceTypeTopic, "a/b", kerr.InvalidTopicException},
		{kmsg.ConfigResourceTypeBroker, "x", kerr.InvalidRequest},
		{kmsg.ConfigResourceTypeBroker, "2", kerr.InvalidRequest},
		{kmsg.ConfigResourceTypeBrokerLogger, "1", kerr.InvalidRequest},
		{kmsg.ConfigResourceTypeGroupConfig, "g", kerr.InvalidRequest},
		{kmsg.ConfigResourceTypeClientMetrics, "m", kerr.InvalidRequest},
		{99, "m", kerr.InvalidRequest},
	} {
		got := r.describeConfigs(4, c.of, c.name)
		if got.ErrorCode != c.want.Code || got.ErrorMessage == nil || *got.ErrorMessage == "" || len(got.Configs) != 0 {
			t.Errorf("%v %q: %+v", c.of, c.name, got)
		}
	}
}
