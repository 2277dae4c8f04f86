package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleJoinGroup answers JoinGroup 0 to 9 when the group's rebalance has all
// its members.
//
// Version 1: rebalance timeout. Version 4: a new member is given its id first
// (KIP-394). Version 5: static members (KIP-345). Version 7: the protocol type
// in the answer (KIP-559). Version 8: reason (KIP-800). Version 9: skip the
// assignment (KIP-814).
func handleJoinGroup(b *Broker, r *request) reply {
	client := r.client()
	return park(func(ctx context.Context) kmsg.Response {
		return b.groups.JoinGroup(ctx, client, r.body.(*kmsg.JoinGroupRequest))
	})
}
