package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// handleElectLeaders answers ElectLeaders 0 to 2 (KIP-460). Version 0 knows
// preferred leaders alone. Null topics mean all partitions, of which those
// that need no election are left out of the answer.
func handleElectLeaders(b *Broker, r *request) reply {
	req := r.body.(*kmsg.ElectLeadersRequest)
	kind := controller.ElectionType(req.ElectionType)
	if r.version == 0 {
		kind = controller.Preferred
	}
	var parts []controller.TopicPartition
	if req.Topics != nil {
		parts = []controller.TopicPartition{}
	}
	for _, t := range req.Topics {
		for _, index := range t.Partitions {
			parts = append(parts, controller.TopicPartition{Topic: t.Topic, Partition: index})
		}
	}
	return park(func(ctx context.Context) kmsg.Response {
		ctx, cancel := within(ctx, req.TimeoutMillis)
		defer cancel()
		resp := kmsg.NewPtrElectLeadersResponse()
		if kind != controller.Preferred && kind != controller.Unclean {
			err := metadata.Refuse(kerr.InvalidRequest, "Unknown election type %d", kind)
			return b.refuseElection(resp, parts, err)
		}
		results, err := b.meta.ElectLeaders(ctx, kind, parts)
		if err != nil {
			return b.refuseElection(resp, parts, err)
		}
		b.settle(ctx)
		for _, res := range results {
			b.addElected(resp, res)
		}
		return resp
	})
}

// refuseElection gives one error to the request and to all its partitions.
func (b *Broker) refuseElection(resp *kmsg.ElectLeadersResponse, parts []controller.TopicPartition, err error) kmsg.Response {
	resp.ErrorCode, _ = b.codeOf(err)
	for _, p := range parts {
		b.addElected(resp, controller.ElectResult{TopicPartition: p, Err: err})
	}
	return resp
}

// addElected adds a partition, behind others of its topic if they come before.
func (b *Broker) addElected(resp *kmsg.ElectLeadersResponse, res controller.ElectResult) {
	if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != res.Topic {
		t := kmsg.NewElectLeadersResponseTopic()
		t.Topic = res.Topic
		resp.Topics = append(resp.Topics, t)
	}
	p := kmsg.NewElectLeadersResponseTopicPartition()
	p.Partition = res.Partition
	p.ErrorCode, p.ErrorMessage = b.codeOf(res.Err)
	t := &resp.Topics[len(resp.Topics)-1]
	t.Partitions = append(t.Partitions, p)
}
