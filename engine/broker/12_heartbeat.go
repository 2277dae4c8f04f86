package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleHeartbeat answers Heartbeat 0 to 4.
//
// Version 3: static members.
func handleHeartbeat(b *Broker, r *request) reply {
	return park(func(ctx context.Context) kmsg.Response {
		return b.groups.Heartbeat(ctx, r.body.(*kmsg.HeartbeatRequest))
	})
}
