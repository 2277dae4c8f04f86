package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleLeaveGroup answers LeaveGroup 0 to 5.
//
// Version 3: many members, static ones by their instance id. Version 5: reason
// (KIP-800).
func handleLeaveGroup(b *Broker, r *request) reply {
	return park(func(ctx context.Context) kmsg.Response {
		return b.groups.LeaveGroup(ctx, r.body.(*kmsg.LeaveGroupRequest))
	})
}
