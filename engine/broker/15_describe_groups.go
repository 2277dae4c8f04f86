package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleDescribeGroups answers DescribeGroups 0 to 6.
//
// Version 3: authorized operations. Version 4: static members. Version 6: a
// group that does not exist is GROUP_ID_NOT_FOUND and not in the state Dead
// (KIP-1043).
func handleDescribeGroups(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DescribeGroupsRequest)
	return park(func(ctx context.Context) kmsg.Response {
		resp := b.groups.DescribeGroups(ctx, req)
		for i := range resp.Groups {
			if g := &resp.Groups[i]; req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
				g.AuthorizedOperations = groupOperations
			}
		}
		return resp
	})
}
