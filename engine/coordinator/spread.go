package coordinator

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The requests below are about many groups, which may be in different shards:
// each shard is asked for its own, all at once.

// part is the share of one shard in a request.
type part struct {
	shard *shard
	call  *call
	err   *kerr.Error
	at    []int // which groups of the request it has
}

// spread splits n groups by their shards, and asks each shard what sub makes
// of its groups.
func (g *Groups) spread(ctx context.Context, n int, id func(int) string, sub func(at []int) kmsg.Request) []*part {
	parts := make(map[*shard]*part)
	var order []*part
	for i := range n {
		s, err := g.shardOf(id(i))
		if err != nil {
			order = append(order, &part{err: err, at: []int{i}})
			continue
		}
		p := parts[s]
		if p == nil {
			p = &part{shard: s}
			parts[s] = p
			order = append(order, p)
		}
		p.at = append(p.at, i)
	}
	for _, p := range order {
		if p.err == nil {
			p.call = &call{req: sub(p.at), done: make(chan result, 1)}
			p.err = p.shard.post(ctx, p.call)
		}
	}
	return order
}

// wait returns the shard's answer.
func (p *part) wait(ctx context.Context) (kmsg.Response, *kerr.Error) {
	if p.err != nil {
		return nil, p.err
	}
	return p.shard.wait(ctx, p.call)
}

// OffsetFetch serves key 9. The request has the shape of version 8 and up,
// whatever its version: Groups, with each topic's name and, where the caller
// knows it, id.
func (g *Groups) OffsetFetch(ctx context.Context, req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	resp.Groups = make([]kmsg.OffsetFetchResponseGroup, len(req.Groups))
	parts := g.spread(ctx, len(req.Groups), func(i int) string { return req.Groups[i].Group }, func(at []int) kmsg.Request {
		sub := &kmsg.OffsetFetchRequest{Version: req.Version, RequireStable: req.RequireStable}
		for _, i := range at {
			sub.Groups = append(sub.Groups, req.Groups[i])
		}
		return sub
	})
	for _, p := range parts {
		got, err := p.wait(ctx)
		if err == kerr.CoordinatorNotAvailable {
			err = kerr.NotCoordinator // consumers before 3.9 do not know the other here
		}
		for n, i := range p.at {
			if err != nil {
				resp.Groups[i].Group, resp.Groups[i].ErrorCode = req.Groups[i].Group, err.Code
				continue
			}
			resp.Groups[i] = got.(*kmsg.OffsetFetchResponse).Groups[n]
		}
	}
	return resp
}

// DescribeGroups serves key 15.
func (g *Groups) DescribeGroups(ctx context.Context, req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(req.Groups))
	parts := g.spread(ctx, len(req.Groups), func(i int) string { return req.Groups[i] }, func(at []int) kmsg.Request {
		return &kmsg.DescribeGroupsRequest{Version: req.Version, Groups: pick(req.Groups, at)}
	})
	for _, p := range parts {
		got, err := p.wait(ctx)
		for n, i := range p.at {
			if err != nil {
				one := kmsg.NewDescribeGroupsResponseGroup()
				one.Group, one.ErrorCode = req.Groups[i], err.Code
				resp.Groups[i] = one
				continue
			}
			resp.Groups[i] = got.(*kmsg.DescribeGroupsResponse).Groups[n]
		}
	}
	return resp
}

// DeleteGroups serves key 42.
func (g *Groups) DeleteGroups(ctx context.Context, req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(req.Groups))
	parts := g.spread(ctx, len(req.Groups), func(i int) string { return req.Groups[i] }, func(at []int) kmsg.Request {
		return &kmsg.DeleteGroupsRequest{Version: req.Version, Groups: pick(req.Groups, at)}
	})
	for _, p := range parts {
		got, err := p.wait(ctx)
		for n, i := range p.at {
			if err != nil {
				resp.Groups[i].Group, resp.Groups[i].ErrorCode = req.Groups[i], err.Code
				continue
			}
			resp.Groups[i] = got.(*kmsg.DeleteGroupsResponse).Groups[n]
		}
	}
	return resp
}

func pick(from []string, at []int) []string {
	out := make([]string, len(at))
	for n, i := range at {
		out[n] = from[i]
	}
	return out
}

// ListGroups serves key 16: the groups of all partitions that are led here. It
// is COORDINATOR_LOAD_IN_PROGRESS until all of them are loaded.
func (g *Groups) ListGroups(ctx context.Context, req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	g.mu.RLock()
	var parts []*part
	for _, s := range g.shards {
		parts = append(parts, &part{shard: s})
	}
	g.mu.RUnlock()
	slices.SortFunc(parts, func(a, b *part) int { return int(a.shard.partition) - int(b.shard.partition) })
	for _, p := range parts {
		p.call = &call{req: req, done: make(chan result, 1)}
		p.err = p.shard.post(ctx, p.call)
	}
	for _, p := range parts {
		got, err := p.wait(ctx)
		switch {
		case err == kerr.NotCoordinator: // resigned meanwhile: another broker lists them
		case err != nil:
			resp.ErrorCode, resp.Groups = err.Code, nil
			return resp
		default:
			resp.Groups = append(resp.Groups, got.(*kmsg.ListGroupsResponse).Groups...)
		}
	}
	return resp
}
