package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// handleDeleteTopics answers DeleteTopics 1 to 6. Version 6 names topics by
// name or by id (KIP-516). A topic that the request has twice is answered once.
func handleDeleteTopics(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DeleteTopicsRequest)
	resp := kmsg.NewPtrDeleteTopicsResponse()
	resp.Topics = make([]kmsg.DeleteTopicsResponseTopic, 0, len(req.TopicNames)+len(req.Topics))
	var refs []controller.TopicRef
	for _, name := range req.TopicNames {
		refs = append(refs, controller.TopicRef{Name: name})
	}
	for _, t := range req.Topics {
		ref := controller.TopicRef{ID: t.TopicID}
		switch {
		case t.Topic != nil:
			ref.Name = *t.Topic
		case ref.ID.IsZero():
			resp.Topics = append(resp.Topics, b.deletedTopic(controller.TopicResult{
				Err: metadata.Refuse(kerr.InvalidRequest, "Neither topic name nor id were specified."),
			}, false))
			continue
		}
		refs = append(refs, ref)
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, req.TimeoutMillis)
		defer cancel()
		seen := make(map[controller.TopicRef]bool, len(refs))
		for i, res := range b.meta.DeleteTopics(ctx, refs) {
			if !seen[refs[i]] {
				seen[refs[i]] = true
				resp.Topics = append(resp.Topics, b.deletedTopic(res, refs[i].ID.IsZero()))
			}
		}
		b.settle(ctx)
		return resp
	})
}

func (b *Broker) deletedTopic(res controller.TopicResult, byName bool) kmsg.DeleteTopicsResponseTopic {
	t := kmsg.NewDeleteTopicsResponseTopic()
	t.TopicID = res.ID
	if res.Name != "" || byName {
		t.Topic = kmsg.StringPtr(res.Name)
	}
	t.ErrorCode, t.ErrorMessage = b.codeOf(res.Err)
	return t
}
