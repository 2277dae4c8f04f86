package group

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// classic is the group type of ListGroups (KIP-848).
const classic = "classic"

// describeKnowsMissing is the version of DescribeGroups from which a group
// that does not exist is an error and not one in the state Dead (KIP-1043).
const describeKnowsMissing = 6

// ListGroups lists the groups whose state and type pass the filters (key 16);
// an empty filter passes all. Case does not matter.
func (m *Machine) ListGroups(to Token, req *kmsg.ListGroupsRequest) {
	resp := kmsg.NewPtrListGroupsResponse()
	passes := func(filter []string, value string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(s string) bool { return strings.EqualFold(s, value) })
	}
	for _, id := range m.sortedGroups() {
		g := m.groups[id]
		if !passes(req.StatesFilter, g.state.String()) || !passes(req.TypesFilter, classic) {
			continue
		}
		one := kmsg.NewListGroupsResponseGroup()
		one.Group, one.ProtocolType, one.GroupState, one.GroupType = id, g.protocolType, g.state.String(), classic
		resp.Groups = append(resp.Groups, one)
	}
	m.answer(to, resp)
}

// DescribeGroups describes groups and their members (key 15). What members
// subscribe to is told of stable groups only; what they are assigned is, in
// other groups, what they were assigned last.
func (m *Machine) DescribeGroups(to Token, req *kmsg.DescribeGroupsRequest) {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	for _, id := range req.Groups {
		one := kmsg.NewDescribeGroupsResponseGroup()
		one.Group, one.State = id, Dead.String()
		if g := m.groups[id]; g != nil {
			g.describe(&one)
		} else if req.Version >= describeKnowsMissing {
			one.ErrorCode = kerr.GroupIDNotFound.Code
			one.ErrorMessage = kmsg.StringPtr("Group " + id + " not found.")
		}
		resp.Groups = append(resp.Groups, one)
	}
	m.answer(to, resp)
}

func (g *group) describe(out *kmsg.DescribeGroupsResponseGroup) {
	out.State, out.ProtocolType = g.state.String(), g.protocolType
	stable := g.state == Stable
	if stable && g.protocol != nil {
		out.Protocol = *g.protocol
	}
	for _, mb := range g.order {
		one := kmsg.NewDescribeGroupsResponseGroupMember()
		one.MemberID, one.InstanceID = mb.id, mb.instance
		one.ClientID, one.ClientHost = mb.client.ID, mb.client.Host
		one.MemberAssignment = mb.assignment
		if stable {
			one.ProtocolMetadata = mb.metadata(g.protocol)
		}
		out.Members = append(out.Members, one)
	}
}

// DeleteGroups deletes groups that have no members, with all their offsets
// (key 42). Errors, for each group: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
func (m *Machine) DeleteGroups(to Token, req *kmsg.DeleteGroupsRequest) {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(req.Groups))
	open := 1
	done := func() {
		if open--; open == 0 {
			m.answer(to, resp)
		}
	}
	for i, id := range req.Groups {
		out := &resp.Groups[i]
		out.Default()
		out.Group = id
		g := m.groups[id]
		switch {
		case g == nil:
			out.ErrorCode = kerr.GroupIDNotFound.Code
		case g.state != Empty:
			out.ErrorCode = kerr.NonEmptyGroup.Code
		default:
			tps := make([]topicPartition, 0, len(g.offsets))
			for tp := range g.offsets {
				tps = append(tps, tp)
			}
			open++
			m.deleteOffsets(g, tps, true, func(code int16) {
				out.ErrorCode = code
				if code == 0 {
					for member := range g.pending {
						m.forgetPending(g, member)
					}
				}
				done()
			})
		}
	}
	done()
}
