package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleListGroups answers ListGroups 0 to 5 with the groups that this broker
// coordinates.
//
// Version 4: filter by state. Version 5: filter by type (KIP-848).
func handleListGroups(b *Broker, r *request) reply {
	return park(func(ctx context.Context) kmsg.Response {
		return b.groups.ListGroups(ctx, r.body.(*kmsg.ListGroupsRequest))
	})
}
