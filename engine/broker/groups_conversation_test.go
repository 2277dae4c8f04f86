package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// converse is the life of a group whose client speaks version v of JoinGroup
// and the versions that go with it.
func (c *talker) converse(v int16) {
	group := fmt.Sprintf("conversation-%d", v)
	commit, fetch := max(v+1, 2), max(v+1, 1)
	c.errors(v, group, commit, fetch)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.ProtocolType = v, group, "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 10_000, 20_000
	sub := kmsg.NewConsumerMemberMetadata()
	sub.Topics = []string{"conversation"}
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: sub.AppendTo(nil)}, {Name: "sticky", Metadata: sub.AppendTo(nil)}}
	joined := c.tell("new", join).(*kmsg.JoinGroupResponse)
	join.MemberID = joined.MemberID
	if v >= 4 {
		joined = c.tell("with its id", join).(*kmsg.JoinGroupResponse)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Version, beat.Group, beat.MemberID, beat.Generation = min(v, 4), group, join.MemberID, joined.Generation
	c.tell("before the assignment", beat)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.MemberID, sync.Generation = min(v, 5), group, join.MemberID, joined.Generation
	if sync.Version >= 5 {
		c.tell("leader, no protocol", sync)
	}
	sync.ProtocolType, sync.Protocol = &join.ProtocolType, joined.Protocol
	a := kmsg.NewConsumerMemberAssignment()
	a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "conversation", Partitions: []int32{0, 1, 2}}}
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: join.MemberID, MemberAssignment: a.AppendTo(nil)}}
	c.tell("leader", sync)
	c.tell("stable", beat)
	beat.Generation++
	c.tell("of another generation", beat)
	c.offsets(v, group, join.MemberID, joined.Generation, commit, fetch)
	c.administer(v, group)
	c.leave(v, group, join.MemberID)
}

// errors are the answers about a group that is not there.
func (c *talker) errors(v int16, group string, commit, fetch int16) {
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis = v, group, 1
	c.tell("short session", join)
	join.SessionTimeoutMillis, join.MemberID, join.ProtocolType = 10_000, "nobody", "consumer"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}
	c.tell("unknown member", join)
	join.Group = ""
	c.tell("no group", join)
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Version, beat.Group, beat.MemberID = min(v, 4), group, "nobody"
	c.tell("unknown group", beat)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.MemberID = min(v, 5), group, "nobody"
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	c.tell("unknown group", sync)
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group, leave.MemberID = min(v, 5), group, "nobody"
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "nobody"}}
	c.tell("unknown group", leave)
	c.tell("unknown group", c.committing(commit, group, "nobody", 1, 5))
	c.tell("unknown group", c.fetching(fetch, group, true))
	if fetch >= 2 {
		c.tell("unknown group, all", c.fetching(fetch, group, false))
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = min(v, 6), []string{group}
	c.tell("unknown group", describe)
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Version, remove.Groups = min(v, 2), []string{group}
	c.tell("unknown group", remove)
	offsets := kmsg.NewPtrOffsetDeleteRequest()
	offsets.Group = group
	offsets.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "conversation", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}}}
	c.tell("unknown group", offsets)
}

// committing is a commit for two partitions, one of which does not exist, and
// for a topic that does not.
func (c *talker) committing(version int16, group, member string, generation int32, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = version, group, member, generation
	for i, name := range []string{"conversation", "nothing"} {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = name
		if i == 0 {
			t.TopicID = c.topicID
		} else {
			t.TopicID[0] = 1
		}
		for _, partition := range []int32{0, 7} {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset, 0, kmsg.StringPtr("words")
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}

// fetching asks for two partitions, one of which has no offset, or for all.
func (c *talker) fetching(version int16, group string, some bool) *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group, req.RequireStable = version, group, version >= 7
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group, one.MemberEpoch = group, -1
	if some {
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "conversation", Partitions: []int32{0, 1}}, {Topic: "nothing", Partitions: []int32{0}}}
		one.Topics = []kmsg.OffsetFetchRequestGroupTopic{
			{Topic: "conversation", TopicID: c.topicID, Partitions: []int32{0, 1}}, {Topic: "nothing", TopicID: [16]byte{1}, Partitions: []int32{0}},
		}
	}
	req.Groups = append(req.Groups, one)
	if version >= 8 {
		other := one
		other.Group = "nobody"
		req.Groups = append(req.Groups, other)
	}
	return req
}

func (c *talker) offsets(v int16, group, member string, generation int32, commit, fetch int16) {
	c.tell("member", c.committing(commit, group, member, generation, 5))
	c.tell("of another generation", c.committing(commit, group, member, generation+1, 5))
	c.tell("unknown member", c.committing(commit, group, "nobody", generation, 5))
	c.tell("outsider", c.committing(commit, group, "", -1, 5))
	large := c.committing(commit, group, member, generation, 5)
	words := make([]byte, 4097)
	for i := range words {
		words[i] = 'w'
	}
	large.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(string(words))
	c.tell("large metadata", large)
	c.tell("some", c.fetching(fetch, group, true))
	if fetch >= 2 {
		c.tell("all", c.fetching(fetch, group, false))
	}
	remove := kmsg.NewPtrOffsetDeleteRequest()
	remove.Group = group
	remove.Topics = []kmsg.OffsetDeleteRequestTopic{
		{Topic: "conversation", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 7}}},
		{Topic: "nothing", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}},
	}
	c.tell("subscribed", remove)
}

func (c *talker) administer(v int16, group string) {
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups, describe.IncludeAuthorizedOperations = min(v, 6), []string{group}, v >= 3
	c.tell("stable", describe)
	list := kmsg.NewPtrListGroupsRequest()
	list.Version = min(v, 5)
	c.tell("all", list)
	if list.Version >= 4 {
		list.StatesFilter = []string{"empty"}
		c.tell("empty ones", list)
	}
	if list.Version >= 5 {
		list.StatesFilter, list.TypesFilter = nil, []string{"Classic"}
		c.tell("classic ones", list)
		list.TypesFilter = []string{"consumer"}
		c.tell("consumer ones", list)
	}
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Version, remove.Groups = min(v, 2), []string{group}
	c.tell("not empty", remove)
}

func (c *talker) leave(v int16, group, member string) {
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group, leave.MemberID = min(v, 5), group, member
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: member}, {MemberID: "nobody"}, {InstanceID: kmsg.StringPtr("no static member")}}
	c.tell("member", leave)
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = min(v, 6), []string{group}
	c.tell("empty", describe)
	commit := max(v+1, 2)
	c.tell("outsider, no members", c.committing(commit, group, "", -1, 9))
	c.tell("some", c.fetching(max(v+1, 1), group, true))
	offsets := kmsg.NewPtrOffsetDeleteRequest()
	offsets.Group = group
	offsets.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "conversation", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 1}}}}
	c.tell("no members", offsets)
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Version, remove.Groups = min(v, 2), []string{group, "nobody"}
	c.tell("empty", remove)
}

// coordinators asks for one at each version.
func (c *talker) coordinators() {
	for v := int16(0); v <= 6; v++ {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorKey, find.CoordinatorKeys = v, "g", []string{"g", ""}
		c.tell("group", find)
		if v >= 1 {
			find.CoordinatorType = 7
			c.tell("no such type", find)
		}
	}
}

// joining is a JoinGroup of a consumer of the topic.
func joining(version int16, group string) *kmsg.JoinGroupRequest {
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.ProtocolType = version, group, "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 10_000, 20_000
	sub := kmsg.NewConsumerMemberMetadata()
	sub.Topics = []string{"conversation"}
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: sub.AppendTo(nil)}}
	return join
}

// syncing is the SyncGroup of a member; with shares, of the leader.
func syncing(version int16, group, member string, generation int32, shares ...kmsg.SyncGroupRequestGroupAssignment) *kmsg.SyncGroupRequest {
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.MemberID, sync.Generation = min(version, 5), group, member, generation
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	sync.GroupAssignment = shares
	return sync
}

func share(member string, partitions ...int32) kmsg.SyncGroupRequestGroupAssignment {
	a := kmsg.NewConsumerMemberAssignment()
	a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "conversation", Partitions: partitions}}
	return kmsg.SyncGroupRequestGroupAssignment{MemberID: member, MemberAssignment: a.AppendTo(nil)}
}

func beating(version int16, group, member string, generation int32) *kmsg.HeartbeatRequest {
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Version, beat.Group, beat.MemberID, beat.Generation = min(version, 4), group, member, generation
	return beat
}

// pair is a group whose second member comes, and goes, by another connection.
func (c *talker) pair(v int16, other *talker) {
	group := fmt.Sprintf("pair-%d", v)
	leads := joining(v, group)
	joined := c.ask(leads).(*kmsg.JoinGroupResponse)
	leads.MemberID = joined.MemberID
	if v >= 4 {
		c.ask(leads)
	}
	c.tell("alone", syncing(v, group, leads.MemberID, 1, share(leads.MemberID, 0, 1, 2)))
	follows := joining(v, group)
	if v >= 4 {
		follows.MemberID = other.ask(follows).(*kmsg.JoinGroupResponse).MemberID
	}
	waiting := other.send(follows)
	beat := beating(v, group, leads.MemberID, 1)
	c.until(func() bool { return c.ask(beat).(*kmsg.HeartbeatResponse).ErrorCode != 0 })
	c.tell("while a member joins", beat)
	c.tell("while a member joins", c.committing(max(v+1, 2), group, leads.MemberID, 1, 5))
	c.tell("while a member joins", syncing(v, group, leads.MemberID, 1))
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = 5, []string{group}
	c.tell("leader again", leads)
	second := other.receive(follows, waiting).(*kmsg.JoinGroupResponse)
	c.told("follower", follows, second)
	c.tell("leader once more", leads)
	c.tell("of two, no assignment yet", describe)
	sync := syncing(v, group, second.MemberID, 2)
	waiting = other.send(sync)
	c.tell("leader", syncing(v, group, leads.MemberID, 2, share(leads.MemberID, 0, 1), share(second.MemberID, 2)))
	c.told("follower", sync, other.receive(sync, waiting))
	follows.MemberID = second.MemberID
	c.told("follower again", follows, other.ask(follows))
	other.ask(sync)
	c.tell("of two", describe)
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group, leave.MemberID = min(v, 5), group, second.MemberID
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: second.MemberID}}
	c.told("follower", leave, other.ask(leave))
	c.tell("follower has left", beating(v, group, leads.MemberID, 2))
	leads.Protocols[0].Name = "sticky"
	c.tell("with another protocol alone", leads)
	leads.Protocols[0].Name = "range"
	c.tell("alone again", leads)
	leave.MemberID, leave.Members[0].MemberID = leads.MemberID, leads.MemberID
	c.tell("leader", leave)
}

// static is a static member that comes back, and is sent away.
func (c *talker) static(v int16) {
	group := fmt.Sprintf("static-%d", v)
	join := joining(v, group)
	join.InstanceID = kmsg.StringPtr("i")
	first := c.tell("static", join).(*kmsg.JoinGroupResponse)
	sync := syncing(v, group, first.MemberID, 1, share(first.MemberID, 0, 1, 2))
	sync.InstanceID = join.InstanceID
	c.tell("static", sync)
	second := c.tell("static, come back", join).(*kmsg.JoinGroupResponse)
	c.tell("static, former id", sync)
	beat := beating(v, group, first.MemberID, 1)
	beat.InstanceID = join.InstanceID
	c.tell("static, former id", beat)
	commit := c.committing(v+1, group, first.MemberID, 1, 5)
	commit.InstanceID = join.InstanceID
	c.tell("static, former id", commit)
	join.MemberID = first.MemberID
	c.tell("static, former id", join)
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group = min(v, 5), group
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: first.MemberID, InstanceID: join.InstanceID}}
	c.tell("static, former id", leave)
	sync.MemberID, sync.GroupAssignment = second.MemberID, nil
	c.tell("static, new id", sync)
	beat.MemberID = second.MemberID
	c.tell("static, new id", beat)
	beat.InstanceID = kmsg.StringPtr("j")
	c.tell("static, unknown", beat)
	join.MemberID, join.InstanceID = second.MemberID, kmsg.StringPtr("j")
	c.tell("static, unknown", join)
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = 5, []string{group}
	c.tell("static", describe)
	leave.Members = []kmsg.LeaveGroupRequestMember{{InstanceID: kmsg.StringPtr("j")}, {InstanceID: kmsg.StringPtr("i")}}
	c.tell("by an administrator", leave)
	c.tell("nobody left", describe)
}
