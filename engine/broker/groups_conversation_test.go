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
