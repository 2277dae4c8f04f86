package controller

import (
	"time"

	"github.com/logarium/logarium/engine/metadata"
)

// producerIDBlock is how many producer ids a broker is given at a time.
const producerIDBlock = 1000

// command is a request to the machine; R is the type of its answer. It is
// answered from (image, now) alone: run returns the records to append and the
// answer to give once they are committed.
type command[R any] interface {
	run(m *machine, img *metadata.Image, now time.Time) ([]metadata.Record, R)
}

// machine computes decisions. It holds nothing that changes.
type machine struct {
	maxPartitions int
	maxReplicas   int
	newID         func() metadata.UUID
}

type createTopics struct {
	topics       []NewTopic
	validateOnly bool
}

type deleteTopics struct{ topics []TopicRef }

type createPartitions struct {
	topics       []NewPartitions
	validateOnly bool
}

type alterConfigs struct {
	alterations  []ConfigAlteration
	validateOnly bool
}

type registerBroker struct{ broker metadata.Broker }

type fenceBroker struct{ id int32 }

type brokerResult struct {
	epoch int64
	err   error
}

type allocateProducerIDs struct{ broker int32 }

type producerIDsResult struct {
	first int64
	count int32
	err   error
}
