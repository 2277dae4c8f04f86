package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDeleteTopics_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	r := n.dial()
	for version := int16(1); version <= 6; version++ {
		n.createTopic("t", 1)
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version = version
		req.TopicNames = []string{"t", "nope", "t"}
		for _, name := range req.TopicNames {
			topic := kmsg.NewDeleteTopicsRequestTopic()
			topic.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, topic)
		}
		req.TopicNames, req.Topics = req.TopicNames[:2], req.Topics[:2]
		got := r.ask(req).(*kmsg.DeleteTopicsResponse).Topics
		if len(got) != 2 || got[0].ErrorCode != 0 || *got[0].Topic != "t" || got[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
			t.Fatalf("version %d: %+v", version, got)
		}
		if n.controller.Image().TopicCount() != 0 {
			t.Fatalf("version %d: the topic is still there", version)
		}
	}
}

func TestDeleteTopics_ByID(t *testing.T) {
	n := startNode(t, nodeOptions{})
	made := n.createTopic("t", 1)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version = 6
	for _, id := range [][16]byte{{}, {1}, made.ID} {
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.TopicID = id
		req.Topics = append(req.Topics, topic)
	}
	got := n.dial().ask(req).(*kmsg.DeleteTopicsResponse).Topics
	if got[0].ErrorCode != kerr.InvalidRequest.Code || *got[0].ErrorMessage != "Neither topic name nor id were specified." || got[0].Topic != nil {
		t.Errorf("nothing named: %+v", got[0])
	}
	if got[1].ErrorCode != kerr.UnknownTopicID.Code || got[1].Topic != nil {
		t.Errorf("unknown: %+v", got[1])
	}
	if got[2].ErrorCode != 0 || got[2].Topic == nil || *got[2].Topic != "t" || got[2].TopicID != made.ID {
		t.Errorf("known: %+v", got[2])
	}
}
