package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// SetTopicSetting gives a setting a value for one topic.
func (c *Cluster) SetTopicSetting(ctx context.Context, topic, name, value string) error {
	return c.alterTopicSetting(ctx, topic, name, kmsg.IncrementalAlterConfigOpSet, &value)
}

// ResetTopicSetting takes the topic's own value away, so that the default holds.
func (c *Cluster) ResetTopicSetting(ctx context.Context, topic, name string) error {
	return c.alterTopicSetting(ctx, topic, name, kmsg.IncrementalAlterConfigOpDelete, nil)
}

func (c *Cluster) alterTopicSetting(ctx context.Context, topic, name string, op kmsg.IncrementalAlterConfigOp, value *string) error {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	if why := caps.Why(FeatureAlterConfigs); why != "" {
		return &Error{Text: why}
	}
	ctx, cancel := context.WithTimeout(ctx, changeDeadline)
	defer cancel()
	cfg := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	cfg.Name, cfg.Op, cfg.Value = name, op, value
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	res.Configs = append(res.Configs, cfg)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, res)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return explain(err)
	}
	for _, r := range resp.Resources {
		if err := refused(r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}
