package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteTopic deletes a topic and waits until the metadata has it no more.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, changeDeadline)
	defer cancel()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = int32(changeDeadline.Milliseconds())
	req.TopicNames = []string{name}
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return explain(err)
	}
	for _, t := range resp.Topics {
		if err := refused(t.ErrorCode, t.ErrorMessage); err != nil {
			return err
		}
	}
	c.groups.forget()
	c.await(ctx, name, func(_ Topic, err error) bool { return errors.Is(err, ErrUnknown) })
	return nil
}
