package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
)

// handleIncrementalAlterConfigs answers IncrementalAlterConfigs 0 and 1
// (KIP-339): set, delete, append to and subtract from a list, for each
// resource all or nothing.
func handleIncrementalAlterConfigs(b *Broker, r *request) reply {
	req := r.body.(*kmsg.IncrementalAlterConfigsRequest)
	alterations := make([]controller.ConfigAlteration, 0, len(req.Resources))
	for _, res := range req.Resources {
		a := controller.ConfigAlteration{Resource: resourceOf(res.ResourceType, res.ResourceName)}
		for _, c := range res.Configs {
			a.Ops = append(a.Ops, controller.ConfigOp{Op: controller.OpType(c.Op), Name: c.Name, Value: c.Value})
		}
		alterations = append(alterations, a)
	}
	return park(func(ctx context.Context) kmsg.Response {
		resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
		resp.Resources = make([]kmsg.IncrementalAlterConfigsResponseResource, 0, len(alterations))
		for _, result := range b.alterConfigs(ctx, alterations, req.ValidateOnly) {
			res := kmsg.NewIncrementalAlterConfigsResponseResource()
			res.ResourceType, res.ResourceName = kmsg.ConfigResourceType(result.Resource.Type), result.Resource.Name
			res.ErrorCode, res.ErrorMessage = b.codeOf(result.Err)
			resp.Resources = append(resp.Resources, res)
		}
		return resp
	})
}
