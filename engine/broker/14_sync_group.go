package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleSyncGroup answers SyncGroup 0 to 5 when the leader's assignment is
// committed.
//
// Version 3: static members. Version 5: protocol type and name (KIP-559).
func handleSyncGroup(b *Broker, r *request) reply {
	return park(func(ctx context.Context) kmsg.Response {
		return b.groups.SyncGroup(ctx, r.body.(*kmsg.SyncGroupRequest))
	})
}
