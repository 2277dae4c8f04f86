package broker

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

func TestDescribeCluster_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	// Brokers that the client's listener does not lead to, or that are fenced, are not told.
	for id, listener := range map[int32]string{2: "OTHER", 3: "PLAINTEXT"} {
		_, err := n.controller.RegisterBroker(context.Background(), controller.Registration{Broker: metadata.Broker{ID: id, Rack: "r", Listeners: []metadata.Listener{{Name: listener, Host: "h", Port: 1}}}})
		must(t, err)
	}
	must(t, n.controller.FenceBroker(context.Background(), 3))
	r := n.dial()
	for version := int16(0); version <= 2; version++ {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.Version, req.EndpointType = version, 1
		got := r.ask(req).(*kmsg.DescribeClusterResponse)
		if got.ErrorCode != 0 || got.ClusterID != n.controller.Image().ClusterID() || got.ControllerID != 1 || got.ClusterAuthorizedOperations != -1<<31 || len(got.Brokers) != 1 {
			t.Fatalf("version %d: %+v", version, got)
		}
		if at := fmt.Sprintf("%s:%d", got.Brokers[0].Host, got.Brokers[0].Port); at != n.address || got.Brokers[0].Rack != nil {
			t.Errorf("version %d: %s, want %s", version, at, n.address)
		}
		req.IncludeClusterAuthorizedOperations, req.IncludeFencedBrokers = true, true
		got = r.ask(req).(*kmsg.DescribeClusterResponse)
		if got.ClusterAuthorizedOperations != 8096 {
			t.Errorf("version %d: operations %d", version, got.ClusterAuthorizedOperations)
		}
		if version >= 2 && (len(got.Brokers) != 2 || !got.Brokers[1].IsFenced || *got.Brokers[1].Rack != "r") {
			t.Errorf("with fenced brokers: %+v", got.Brokers)
		}
	}
	req := kmsg.NewPtrDescribeClusterRequest()
	req.Version = 1
	for asked, want := range map[int8]int16{2: kerr.MismatchedEndpointType.Code, 9: kerr.UnsupportedEndpointType.Code} {
		req.EndpointType = asked
		if got := r.ask(req).(*kmsg.DescribeClusterResponse); got.ErrorCode != want || got.ErrorMessage == nil {
			t.Errorf("endpoint type %d: %+v", asked, got)
		}
	}
}
