package broker

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/coordinator"
	"github.com/logarium/logarium/engine/metadata"
)

// What a FindCoordinator can look for.
const (
	groupCoordinator       = 0
	transactionCoordinator = 1
)

// coordinatorsInBatch is the version from which a FindCoordinator has many keys.
const coordinatorsInBatch = 4

// handleFindCoordinator answers FindCoordinator 0 to 6. The coordinator of a
// group is the leader of its partition of __consumer_offsets, which is made
// when the first coordinator is looked for.
//
// Version 4: many keys. Version 6: share groups, which there are none of here.
func handleFindCoordinator(b *Broker, r *request) reply {
	req := r.body.(*kmsg.FindCoordinatorRequest)
	keys := req.CoordinatorKeys
	if r.version < coordinatorsInBatch {
		keys = []string{req.CoordinatorKey}
	}
	if req.CoordinatorType != groupCoordinator || b.meta.Image().Topic(coordinator.OffsetsTopic) != nil || len(keys) == 0 {
		return answer(b.coordinators(r, req, keys, nil))
	}
	return park(func(ctx context.Context) kmsg.Response {
		return b.coordinators(r, req, keys, b.makeOffsetsTopic(ctx))
	})
}

// coordinators answers a FindCoordinator; err is why __consumer_offsets could
// not be made.
func (b *Broker) coordinators(r *request, req *kmsg.FindCoordinatorRequest, keys []string, err error) *kmsg.FindCoordinatorResponse {
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	img := b.meta.Image()
	nodes := b.nodes(r)
	for _, key := range keys {
		one := kmsg.NewFindCoordinatorResponseCoordinator()
		one.Key, one.NodeID, one.Port = key, -1, -1
		switch leader, refused := coordinatorOf(img, req.CoordinatorType, key); {
		case refused != nil:
			one.ErrorCode, one.ErrorMessage = refused.code.Code, &refused.words
		case err != nil:
			b.log.Error("cannot make "+coordinator.OffsetsTopic, "err", err)
			one.ErrorCode = kerr.CoordinatorNotAvailable.Code
			one.ErrorMessage = kmsg.StringPtr("The topic of the group coordinators cannot be made: " + err.Error())
		default:
			at := slices.IndexFunc(nodes, func(n node) bool { return n.id == leader })
			if at < 0 {
				one.ErrorCode = kerr.CoordinatorNotAvailable.Code
				one.ErrorMessage = kmsg.StringPtr("The coordinator is not available.")
				break
			}
			one.NodeID, one.Host, one.Port = nodes[at].id, nodes[at].host, nodes[at].port
		}
		resp.Coordinators = append(resp.Coordinators, one)
	}
	if r.version < coordinatorsInBatch {
		one := resp.Coordinators[0]
		resp.Coordinators = nil
		resp.ErrorCode, resp.ErrorMessage = one.ErrorCode, one.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = one.NodeID, one.Host, one.Port
	}
	return resp
}

// refusal is an error with words for the client.
type refusal struct {
	code  *kerr.Error
	words string
}

// coordinatorOf returns the broker that coordinates key, -1 if there is none.
func coordinatorOf(img *metadata.Image, kind int8, key string) (int32, *refusal) {
	switch kind {
	case groupCoordinator:
		t := img.Topic(coordinator.OffsetsTopic)
		if t == nil {
			return metadata.NoLeader, nil
		}
		return t.Partitions[coordinator.PartitionFor(key, int32(len(t.Partitions)))].Leader, nil
	case transactionCoordinator:
		// The one error on which every client gives up at once.
		return metadata.NoLeader, &refusal{kerr.TransactionalIDAuthorizationFailed, "This version of Logarium has no transactions."}
	default:
		return metadata.NoLeader, &refusal{kerr.InvalidRequest, "There are no coordinators of type " + strconv.Itoa(int(kind)) + "."}
	}
}

// makeOffsetsTopic asks the controller for __consumer_offsets. That somebody
// else has just made it is no error.
func (b *Broker) makeOffsetsTopic(ctx context.Context) error {
	result := b.meta.CreateTopics(ctx, []controller.NewTopic{offsetsTopic(b.meta.Image())}, false)[0]
	b.settle(ctx)
	if errors.Is(result.Err, kerr.TopicAlreadyExists) {
		return nil
	}
	return result.Err
}

// offsetsTopic is __consumer_offsets as it is made on first use.
func offsetsTopic(img *metadata.Image) controller.NewTopic {
	set := func(name, value string) controller.ConfigOp {
		return controller.ConfigOp{Op: controller.Set, Name: name, Value: &value}
	}
	return controller.NewTopic{
		Name:              coordinator.OffsetsTopic,
		Partitions:        int32(img.BrokerInt("offsets.topic.num.partitions")),
		ReplicationFactor: int16(img.ReplicationFactor("offsets.topic.replication.factor")),
		Configs: []controller.ConfigOp{
			set("cleanup.policy", "compact"),
			set("compression.type", "producer"),
			set("segment.bytes", img.BrokerString("offsets.topic.segment.bytes")),
		},
	}
}
