package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleDeleteGroups answers DeleteGroups 0 to 2.
func handleDeleteGroups(b *Broker, r *request) reply {
	return park(func(ctx context.Context) kmsg.Response {
		return b.groups.DeleteGroups(ctx, r.body.(*kmsg.DeleteGroupsRequest))
	})
}
