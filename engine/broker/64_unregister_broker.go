package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleUnregisterBroker answers UnregisterBroker 0 (KIP-631): the cluster
// forgets a broker. Its replicas stay assigned to it. One that runs registers
// again.
func handleUnregisterBroker(b *Broker, r *request) reply {
	req := r.body.(*kmsg.UnregisterBrokerRequest)
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, unregisterTimeout)
		defer cancel()
		resp := kmsg.NewPtrUnregisterBrokerResponse()
		resp.ErrorCode, resp.ErrorMessage = b.codeOf(b.meta.UnregisterBroker(ctx, req.BrokerID))
		b.settle(ctx)
		return resp
	})
}

// unregisterTimeout bounds the change, in milliseconds: the request has no time
// of its own.
const unregisterTimeout = 30_000
