package group

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func errorName(code int16) string {
	if code == 0 {
		return "ok"
	}
	return kerr.TypedErrorForCode(code).Message
}

func errorNamed(name string) int16 {
	for code := int16(-1); code < 200; code++ {
		if e := kerr.TypedErrorForCode(code); e != nil && e.Message == name {
			return code
		}
	}
	panic("no error " + name)
}

func topicPartitions(names []string) []topicPartition {
	var out []topicPartition
	for _, name := range names {
		if name == "" {
			continue
		}
		at := strings.LastIndexByte(name, '-')
		p, err := strconv.Atoi(name[at+1:])
		if err != nil {
			panic(err)
		}
		out = append(out, topicPartition{name[:at], int32(p)})
	}
	return out
}

func subscription(topics ...string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics = 3, topics
	return m.AppendTo(nil)
}

func assignmentOf(tps []topicPartition) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	for _, tp := range tps {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = tp.topic, []int32{tp.partition}
		a.Topics = append(a.Topics, t)
	}
	return a.AppendTo(nil)
}

func readAssignment(b []byte) string {
	tps, err := assignedPartitions(b)
	if err != nil {
		return fmt.Sprintf("%q", b)
	}
	if len(tps) == 0 {
		return "nothing"
	}
	return describeAssignment(tps)
}

func text(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}

func describeRecord(r Record) string {
	switch r := r.(type) {
	case OffsetRecord:
		if r.Offset == nil {
			return fmt.Sprintf("offset %s %s-%d deleted", r.Group, r.Topic, r.Partition)
		}
		s := fmt.Sprintf("offset %s %s-%d = %d", r.Group, r.Topic, r.Partition, r.Offset.Offset)
		if r.Offset.ExpireTime >= 0 {
			s += fmt.Sprintf(" expires after %d ms", r.Offset.ExpireTime-r.Offset.CommitTime)
		}
		return s
	case GroupRecord:
		if r.Meta == nil {
			return fmt.Sprintf("group %s deleted", r.Group)
		}
		s := fmt.Sprintf("group %s generation %d %s/%s leader %s", r.Group, r.Meta.Generation, r.Meta.ProtocolType, text(r.Meta.Protocol), text(r.Meta.Leader))
		for _, m := range r.Meta.Members {
			s += fmt.Sprintf(", %s has %s", m.MemberID, readAssignment(m.Assignment))
		}
		return s
	}
	return "?"
}

func describeAnswer(r kmsg.Response) string {
	switch r := r.(type) {
	case *kmsg.JoinGroupResponse:
		return describeJoin(r)
	case *kmsg.SyncGroupResponse:
		if r.ErrorCode != 0 {
			return errorName(r.ErrorCode)
		}
		return fmt.Sprintf("has %s by %s/%s", readAssignment(r.MemberAssignment), text(r.ProtocolType), text(r.Protocol))
	case *kmsg.LeaveGroupResponse:
		s := errorName(r.ErrorCode)
		for _, m := range r.Members {
			s += fmt.Sprintf(", %q %s %s", m.MemberID, text(m.InstanceID), errorName(m.ErrorCode))
		}
		return s
	case *kmsg.OffsetCommitResponse:
		var s []string
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s = append(s, fmt.Sprintf("%s-%d %s", t.Topic, p.Partition, errorName(p.ErrorCode)))
			}
		}
		return strings.Join(s, ", ")
	case *kmsg.OffsetFetchResponse:
		var s []string
		for _, g := range r.Groups {
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					s = append(s, fmt.Sprintf("%s %s-%d at %d epoch %d metadata %d bytes", g.Group, t.Topic, p.Partition, p.Offset, p.LeaderEpoch, len(*p.Metadata)))
				}
			}
		}
		if len(s) == 0 {
			return "nothing"
		}
		return strings.Join(s, "; ")
	case *kmsg.OffsetDeleteResponse:
		s := errorName(r.ErrorCode)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s += fmt.Sprintf(", %s-%d %s", t.Topic, p.Partition, errorName(p.ErrorCode))
			}
		}
		return s
	case *kmsg.DeleteGroupsResponse:
		var s []string
		for _, g := range r.Groups {
			s = append(s, g.Group+" "+errorName(g.ErrorCode))
		}
		return strings.Join(s, ", ")
	case *kmsg.ListGroupsResponse:
		var s []string
		for _, g := range r.Groups {
			s = append(s, fmt.Sprintf("%s %q %s %s", g.Group, g.ProtocolType, g.GroupState, g.GroupType))
		}
		return strings.Join(s, ", ")
	case *kmsg.DescribeGroupsResponse:
		return describeDescription(r)
	}
	return fmt.Sprintf("%+v", r)
}

func describeJoin(r *kmsg.JoinGroupResponse) string {
	if r.ErrorCode != 0 {
		return fmt.Sprintf("%s member=%s", errorName(r.ErrorCode), r.MemberID)
	}
	s := fmt.Sprintf("member=%s generation %d %s/%s leader %s", r.MemberID, r.Generation, text(r.ProtocolType), text(r.Protocol), r.LeaderID)
	if r.SkipAssignment {
		s += " skip assignment"
	}
	for i, m := range r.Members {
		if i == 0 {
			s += " of"
		}
		s += " " + m.MemberID
		if m.InstanceID != nil {
			s += "(" + *m.InstanceID + ")"
		}
	}
	return s
}

func describeDescription(r *kmsg.DescribeGroupsResponse) string {
	var out []string
	for _, g := range r.Groups {
		s := fmt.Sprintf("%s %s %s %q/%q", g.Group, errorName(g.ErrorCode), g.State, g.ProtocolType, g.Protocol)
		if g.ErrorMessage != nil {
			s += " " + *g.ErrorMessage
		}
		for _, m := range g.Members {
			s += fmt.Sprintf(", %s of %s at %s", m.MemberID, m.ClientID, m.ClientHost)
			if len(m.ProtocolMetadata) > 0 {
				s += " has " + readAssignment(m.MemberAssignment)
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}
