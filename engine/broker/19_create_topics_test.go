package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func createRequest(version int16, names ...string) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = version
	for _, name := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, 2, 1
		req.Topics = append(req.Topics, t)
	}
	return req
}

func TestCreateTopics_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	r := n.dial()
	for version := int16(2); version <= 7; version++ {
		name := "v" + string(rune('0'+version))
		got := r.ask(createRequest(version, name)).(*kmsg.CreateTopicsResponse).Topics[0]
		made := n.controller.Image().Topic(name)
		if got.ErrorCode != 0 || made == nil || len(made.Partitions) != 2 {
			t.Fatalf("version %d: %+v, %+v", version, got, made)
		}
		if version >= 5 && (got.NumPartitions != 2 || got.ReplicationFactor != 1 || len(got.Configs) != 33) {
			t.Errorf("version %d: %d partitions, factor %d, %d settings", version, got.NumPartitions, got.ReplicationFactor, len(got.Configs))
		}
		if version >= 7 && got.TopicID != made.ID {
			t.Errorf("id %v, want %v", got.TopicID, made.ID)
		}
		again := r.ask(createRequest(version, name)).(*kmsg.CreateTopicsResponse).Topics[0]
		if again.ErrorCode != kerr.TopicAlreadyExists.Code || again.ErrorMessage == nil || *again.ErrorMessage != "Topic '"+name+"' already exists." {
			t.Errorf("version %d again: %+v", version, again)
		}
		if version >= 5 && again.Configs == nil {
			t.Errorf("version %d: the settings of a refused topic are null", version)
		}
	}
}

func TestCreateTopics_SettingsAndDryRun(t *testing.T) {
	n := startNode(t, nodeOptions{})
	req := createRequest(7, "t")
	c := kmsg.NewCreateTopicsRequestTopicConfig()
	c.Name, c.Value = "retention.ms", kmsg.StringPtr("1000")
	req.Topics[0].Configs = append(req.Topics[0].Configs, c)
	req.ValidateOnly = true
	got := n.dial().ask(req).(*kmsg.CreateTopicsResponse).Topics[0]
	if got.ErrorCode != 0 || n.controller.Image().TopicCount() != 0 || got.NumPartitions != 2 {
		t.Fatalf("dry run: %+v", got)
	}
	for _, c := range got.Configs {
		if c.Name == "retention.ms" && (*c.Value != "1000" || c.Source != int8(kmsg.ConfigSourceDynamicTopicConfig)) {
			t.Errorf("%+v", c)
		}
	}
	twice := n.dial().ask(createRequest(7, "a", "b", "a")).(*kmsg.CreateTopicsResponse).Topics
	if len(twice) != 2 || twice[0].ErrorCode != kerr.InvalidRequest.Code || twice[1].ErrorCode != 0 {
		t.Errorf("a name twice: %+v", twice)
	}
}
