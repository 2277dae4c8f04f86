package broker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// handleDescribeConfigs answers DescribeConfigs 1 to 4, for topics, this
// broker, and the settings of all brokers (the empty broker name).
//
// No or no listed names mean all. Names that do not exist are left out, as
// Kafka does. Version 3 added types and documentation.
func handleDescribeConfigs(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DescribeConfigsRequest)
	img := b.meta.Image()
	resp := kmsg.NewPtrDescribeConfigsResponse()
	resp.Resources = make([]kmsg.DescribeConfigsResponseResource, 0, len(req.Resources))
	for _, asked := range req.Resources {
		res := kmsg.NewDescribeConfigsResponseResource()
		res.ResourceType, res.ResourceName = asked.ResourceType, asked.ResourceName
		res.Configs = []kmsg.DescribeConfigsResponseResourceConfig{}
		values, err := b.describe(img, asked.ResourceType, asked.ResourceName)
		res.ErrorCode, res.ErrorMessage = b.codeOf(err)
		for i := range values {
			if len(asked.ConfigNames) == 0 || slices.Contains(asked.ConfigNames, values[i].Name) {
				res.Configs = append(res.Configs, describedConfig(&values[i], req))
			}
		}
		resp.Resources = append(resp.Resources, res)
	}
	return answer(resp)
}

// describe returns the settings of a resource.
func (b *Broker) describe(img *metadata.Image, of kmsg.ConfigResourceType, name string) ([]metadata.ConfigValue, error) {
	switch of {
	case kmsg.ConfigResourceTypeTopic:
		if err := metadata.ValidateTopicName(name); err != nil {
			return nil, err
		}
		t := img.Topic(name)
		if t == nil {
			return nil, metadata.Refuse(kerr.UnknownTopicOrPartition, "The topic '%s' does not exist.", name)
		}
		return img.DescribeTopic(t.Config, b.id), nil
	case kmsg.ConfigResourceTypeBroker:
		if name == "" {
			return img.DescribeCluster(), nil
		}
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Broker id must be an integer, but it is: %s", name)
		}
		if int32(id) != b.id {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Unexpected broker id, expected %d or empty string, but received %s", b.id, name)
		}
		return img.DescribeBroker(b.id, b.ownSettings(img)), nil
	}
	return nil, noSettings(of)
}

// noSettings says that a kind of resource has no settings here.
func noSettings(of kmsg.ConfigResourceType) error {
	switch of {
	case kmsg.ConfigResourceTypeBrokerLogger:
		return metadata.Refuse(kerr.InvalidRequest, "This broker's loggers have no levels of their own.")
	case kmsg.ConfigResourceTypeClientMetrics:
		return metadata.Refuse(kerr.InvalidRequest, "This broker collects no metrics of clients.")
	case kmsg.ConfigResourceTypeGroupConfig:
		return metadata.Refuse(kerr.InvalidRequest, "Groups have no settings of their own on this broker.")
	}
	return metadata.Refuse(kerr.InvalidRequest, "Unknown resource type %d", of)
}

// ownSettings returns the static settings that are this broker's alone.
func (b *Broker) ownSettings(img *metadata.Image) map[string]string {
	id := strconv.Itoa(int(b.id))
	own := map[string]string{"node.id": id, "broker.id": id, "process.roles": "broker,controller"}
	var bound, told []string
	for _, l := range b.listeners {
		bound = append(bound, l.Name+"://"+l.Addr().String())
	}
	own["listeners"] = strings.Join(bound, ",")
	if me, ok := img.Broker(b.id); ok {
		for _, l := range me.Listeners {
			told = append(told, fmt.Sprintf("%s://%s:%d", l.Name, l.Host, l.Port))
		}
		own["advertised.listeners"] = strings.Join(told, ",")
		if me.Rack != "" {
			own["broker.rack"] = me.Rack
		}
	}
	return own
}

func describedConfig(v *metadata.ConfigValue, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value = v.Name, v.Value.Value
	c.Source = kmsg.ConfigSource(v.Source)
	c.IsDefault = v.Source == metadata.SourceDefault
	c.ReadOnly = v.ReadOnly
	if c.IsSensitive = v.Sensitive(); c.IsSensitive {
		c.Value = nil
	}
	c.ConfigSynonyms = []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{}
	if req.IncludeSynonyms {
		for _, s := range v.Synonyms {
			syn := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			syn.Name, syn.Value, syn.Source = s.Name, s.Value, kmsg.ConfigSource(s.Source)
			if c.IsSensitive {
				syn.Value = nil
			}
			c.ConfigSynonyms = append(c.ConfigSynonyms, syn)
		}
	}
	if v.Setting != nil {
		c.ConfigType = kmsg.ConfigType(v.Setting.Type)
		if req.IncludeDocumentation {
			c.Documentation = kmsg.StringPtr(v.Setting.Description())
		}
	}
	return c
}
