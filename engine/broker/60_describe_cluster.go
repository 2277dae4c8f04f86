package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/metadata"
)

// The endpoint types of DescribeCluster (KIP-919).
const (
	brokerEndpoint     int8 = 1
	controllerEndpoint int8 = 2
)

// handleDescribeCluster answers DescribeCluster 0 to 2. Each broker is told
// with the address of the listener by which the client came. Version 1 added
// the endpoint type (KIP-919), version 2 fenced brokers (KIP-1073).
func handleDescribeCluster(b *Broker, r *request) reply {
	req := r.body.(*kmsg.DescribeClusterRequest)
	resp := kmsg.NewPtrDescribeClusterResponse()
	resp.Brokers = []kmsg.DescribeClusterResponseBroker{}
	resp.ControllerID = -1
	resp.ClusterAuthorizedOperations = notAsked
	resp.EndpointType = brokerEndpoint
	if r.version >= 1 && req.EndpointType != brokerEndpoint {
		resp.ErrorCode, resp.ErrorMessage = b.codeOf(wrongEndpoint(req.EndpointType))
		return answer(resp)
	}
	img := b.meta.Image()
	resp.ClusterID, resp.ControllerID = img.ClusterID(), b.controllerID()
	for _, broker := range img.Brokers() {
		l, ok := broker.Listener(r.conn.listener)
		if !ok || broker.Fenced && !req.IncludeFencedBrokers {
			continue
		}
		d := kmsg.NewDescribeClusterResponseBroker()
		d.NodeID, d.Host, d.Port, d.IsFenced = broker.ID, l.Host, l.Port, broker.Fenced
		if broker.Rack != "" {
			d.Rack = kmsg.StringPtr(broker.Rack)
		}
		resp.Brokers = append(resp.Brokers, d)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	return answer(resp)
}

func wrongEndpoint(asked int8) error {
	if asked == controllerEndpoint {
		return metadata.Refuse(kerr.MismatchedEndpointType,
			"The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")
	}
	return metadata.Refuse(kerr.UnsupportedEndpointType, "Unsupported endpoint type %d", asked)
}
