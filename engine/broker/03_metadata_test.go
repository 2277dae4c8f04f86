package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

func metadataRequest(version int16, create bool, names ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.AllowAutoTopicCreation = version, create
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	return req
}

func (r *raw) metadata(req *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	r.t.Helper()
	return r.ask(req).(*kmsg.MetadataResponse)
}

func TestMetadata_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	b, a := n.createTopic("b", 2), n.createTopic("a", 1)
	for version := int16(0); version <= 13; version++ {
		r := n.dial()
		resp := r.metadata(metadataRequest(version, false, "b"))
		if len(resp.Topics) != 1 || *resp.Topics[0].Topic != "b" || len(resp.Topics[0].Partitions) != 2 || resp.Topics[0].ErrorCode != 0 {
			t.Fatalf("version %d: %+v", version, resp)
		}
		p := resp.Topics[0].Partitions[1]
		if p.Partition != 1 || p.Leader != 1 || p.ErrorCode != 0 || len(p.Replicas) != 1 || len(p.ISR) != 1 || len(p.OfflineReplicas) != 0 {
			t.Fatalf("version %d: %+v", version, p)
		}
		if version >= 10 && resp.Topics[0].TopicID != [16]byte(b.ID) {
			t.Fatalf("version %d: topic id %x", version, resp.Topics[0].TopicID)
		}
		if version >= 1 && resp.ControllerID != 1 || version >= 2 && *resp.ClusterID != n.controller.Image().ClusterID() {
			t.Fatalf("version %d: controller %d, cluster %v", version, resp.ControllerID, resp.ClusterID)
		}
		if len(resp.Brokers) != 1 || !strings.HasSuffix(n.address, resp.Brokers[0].Host+":"+n.address[strings.LastIndex(n.address, ":")+1:]) {
			t.Fatalf("version %d: brokers %+v at %s", version, resp.Brokers, n.address)
		}
		all := metadataRequest(version, false)
		if version > 0 {
			all.Topics = nil
		}
		if got := r.metadata(all).Topics; len(got) != 2 || *got[0].Topic != a.Name || *got[1].Topic != b.Name {
			t.Fatalf("version %d: all topics are %+v", version, got)
		}
		if version > 0 {
			if got := r.metadata(metadataRequest(version, false)).Topics; len(got) != 0 {
				t.Fatalf("version %d: none is %+v", version, got)
			}
		}
	}
}

func TestMetadata_AsksByID(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 13
	for _, id := range []metadata.UUID{topic.ID, metadata.NewUUID()} {
		rt := kmsg.NewMetadataRequestTopic()
		rt.TopicID = id
		req.Topics = append(req.Topics, rt)
	}
	got := n.dial().metadata(req).Topics
	if got[0].ErrorCode != 0 || *got[0].Topic != "t" || got[1].ErrorCode != kerr.UnknownTopicID.Code || got[1].Topic != nil {
		t.Fatalf("got %+v", got)
	}
}

func TestMetadata_MakesTopics(t *testing.T) {
	n := startNode(t, nodeOptions{})
	r := n.dial()
	got := r.metadata(metadataRequest(9, false, "no")).Topics[0]
	if got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("not allowed: %+v", got)
	}
	for _, version := range []int16{0, 3, 4, 13} { // up to 3 there is no way to forbid it
		name := "made" + string(rune('a'+version))
		got := r.metadata(metadataRequest(version, true, name)).Topics[0]
		if got.ErrorCode != 0 || len(got.Partitions) != 1 || got.Partitions[0].Leader != 1 {
			t.Fatalf("version %d: %+v", version, got)
		}
	}
	mixed := r.metadata(metadataRequest(9, true, "good", "bad name", "", "..", strings.Repeat("x", 250), "good")).Topics
	var codes []int16
	for _, m := range mixed {
		codes = append(codes, m.ErrorCode)
	}
	bad := kerr.InvalidTopicException.Code
	if !slices.Equal(codes, []int16{0, bad, bad, bad, bad, 0}) {
		t.Fatalf("got %v", codes)
	}
	closed := startNode(t, nodeOptions{settings: map[string]string{"auto.create.topics.enable": "false"}})
	if got := closed.dial().metadata(metadataRequest(9, true, "x")).Topics[0]; got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("made against the setting: %+v", got)
	}
}

func TestMetadata_AuthorizedOperations(t *testing.T) {
	n := startNode(t, nodeOptions{})
	n.createTopic("t", 1)
	for _, ask := range []bool{false, true} {
		req := metadataRequest(9, false, "t")
		req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = ask, ask
		resp := n.dial().metadata(req)
		if told := resp.AuthorizedOperations != notAsked; told != ask {
			t.Errorf("cluster operations: asked %v, got %x", ask, resp.AuthorizedOperations)
		}
		if told := resp.Topics[0].AuthorizedOperations != notAsked; told != ask {
			t.Errorf("topic operations: asked %v, got %x", ask, resp.Topics[0].AuthorizedOperations)
		}
	}
}
