package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// handleAlterConfigs answers AlterConfigs 0 to 2, the older call that replaces
// all settings of a resource by those in the request (kafkajs still sends it).
func handleAlterConfigs(b *Broker, r *request) reply {
	req := r.body.(*kmsg.AlterConfigsRequest)
	alterations := make([]controller.ConfigAlteration, 0, len(req.Resources))
	for _, res := range req.Resources {
		a := controller.ConfigAlteration{Resource: resourceOf(res.ResourceType, res.ResourceName), Replace: true}
		for _, c := range res.Configs {
			a.Ops = append(a.Ops, controller.ConfigOp{Op: controller.Set, Name: c.Name, Value: c.Value})
		}
		alterations = append(alterations, a)
	}
	return park(func(ctx context.Context) kmsg.Response {
		resp := kmsg.NewPtrAlterConfigsResponse()
		resp.Resources = make([]kmsg.AlterConfigsResponseResource, 0, len(alterations))
		for _, result := range b.alterConfigs(ctx, alterations, req.ValidateOnly) {
			res := kmsg.NewAlterConfigsResponseResource()
			res.ResourceType, res.ResourceName = kmsg.ConfigResourceType(result.Resource.Type), result.Resource.Name
			res.ErrorCode, res.ErrorMessage = b.codeOf(result.Err)
			resp.Resources = append(resp.Resources, res)
		}
		return resp
	})
}

func resourceOf(of kmsg.ConfigResourceType, name string) metadata.Resource {
	return metadata.Resource{Type: metadata.ResourceType(of), Name: name}
}

// alterConfigs hands the alterations of topics and brokers to the controller
// and refuses the others.
func (b *Broker) alterConfigs(ctx context.Context, all []controller.ConfigAlteration, validateOnly bool) []controller.ConfigResult {
	ctx, cancel := within(ctx, defaultAdminMillis)
	defer cancel()
	out := make([]controller.ConfigResult, len(all))
	var known []controller.ConfigAlteration
	var at []int
	for i, a := range all {
		switch a.Resource.Type {
		case metadata.ResourceTopic, metadata.ResourceBroker:
			known, at = append(known, a), append(at, i)
		default:
			out[i] = controller.ConfigResult{Resource: a.Resource, Err: noSettings(kmsg.ConfigResourceType(a.Resource.Type))}
		}
	}
	for i, res := range b.meta.AlterConfigs(ctx, known, validateOnly) {
		out[at[i]] = res
	}
	b.settle(ctx)
	return out
}

// defaultAdminMillis bounds administrative requests that have no timeout of
// their own: Kafka's request.timeout.ms.
const defaultAdminMillis = 30_000
