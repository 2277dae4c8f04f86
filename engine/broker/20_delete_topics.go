package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
)

// handleDeleteTopics answers DeleteTopics 1 to 6. Version 6 names topics by
// name or by id (KIP-516). A topic that the request has twice is answered once.
func handleDeleteTopics(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DeleteTopicsRequest)
	var refs []controller.TopicRef
	for _, name := range req.TopicNames {
		refs = append(refs, controller.TopicRef{Name: name})
	}
	for _, t := range req.Topics {
		ref := controller.TopicRef{ID: t.TopicID}
		if t.Topic != nil {
			ref.Name = *t.Topic
		}
		refs = append(refs, ref)
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, req.TimeoutMillis)
		defer cancel()
		resp := kmsg.NewPtrDeleteTopicsResponse()
		resp.Topics = make([]kmsg.DeleteTopicsResponseTopic, 0, len(refs))
		seen := make(map[controller.TopicRef]bool, len(refs))
		for i, res := range b.meta.DeleteTopics(ctx, refs) {
			if seen[refs[i]] {
				continue
			}
			seen[refs[i]] = true
			t := kmsg.NewDeleteTopicsResponseTopic()
			t.TopicID = res.ID
			if res.Name != "" || refs[i].ID.IsZero() {
				t.Topic = kmsg.StringPtr(res.Name)
			}
			t.ErrorCode, t.ErrorMessage = b.codeOf(res.Err)
			resp.Topics = append(resp.Topics, t)
		}
		return resp
	})
}
