package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// api is one row of the table of APIs: all that the broker knows of a key.
type api struct {
	key      kmsg.Key
	min, max int16 // versions
	// frameLimit is the largest request in bytes; produceFrame stands for
	// Limits.MaxRequestBytes.
	frameLimit int
	handle     handler
	// owned says that the handler and what it calls keep nothing of the request
	// beyond its answer, so that strings may point into the frame and the frame
	// is used again.
	owned bool

	layout []fieldLayout // of the request's body; set by init
}

// Frame limits by what a request holds.
const (
	smallFrame   = 1 * mib // names and numbers
	groupFrame   = 8 * mib // members' metadata, assignments, offsets of many partitions
	produceFrame = 0       // records: Limits.MaxRequestBytes
)

// apis is THE table: what is not in it is not advertised, and what is in it is
// limited, checked and documented (docs/protocol.md) from its row.
var apis = []api{
	// Records.
	{key: kmsg.Produce, min: 3, max: 13, frameLimit: produceFrame, handle: handleProduce, owned: true},
	{key: kmsg.Fetch, min: 4, max: 18, frameLimit: 4 * mib, handle: handleFetch, owned: true},
	{key: kmsg.ListOffsets, min: 1, max: 11, frameLimit: 4 * mib, handle: handleListOffsets},
	{key: kmsg.Metadata, min: 0, max: 13, frameLimit: smallFrame, handle: handleMetadata},
	{key: kmsg.ApiVersions, min: 0, max: 4, frameLimit: smallFrame, handle: handleApiVersions},
	{key: kmsg.DeleteRecords, min: 0, max: 2, frameLimit: 4 * mib, handle: handleDeleteRecords},
	{key: kmsg.OffsetForLeaderEpoch, min: 2, max: 4, frameLimit: 4 * mib, handle: handleOffsetForLeaderEpoch},

	// Topics, settings and the cluster (controller).
	{key: kmsg.CreateTopics, min: 2, max: 7, frameLimit: smallFrame, handle: handleCreateTopics},
	{key: kmsg.DeleteTopics, min: 1, max: 6, frameLimit: smallFrame, handle: handleDeleteTopics},
	{key: kmsg.InitProducerID, min: 0, max: 5, frameLimit: smallFrame, handle: handleInitProducerID},
	{key: kmsg.DescribeConfigs, min: 1, max: 4, frameLimit: smallFrame, handle: handleDescribeConfigs},
	{key: kmsg.AlterConfigs, min: 0, max: 2, frameLimit: smallFrame, handle: handleAlterConfigs},
	{key: kmsg.AlterReplicaLogDirs, min: 1, max: 2, frameLimit: smallFrame, handle: handleAlterReplicaLogDirs},
	{key: kmsg.DescribeLogDirs, min: 1, max: 5, frameLimit: 4 * mib, handle: handleDescribeLogDirs},
	{key: kmsg.CreatePartitions, min: 0, max: 3, frameLimit: smallFrame, handle: handleCreatePartitions},
	{key: kmsg.IncrementalAlterConfigs, min: 0, max: 1, frameLimit: smallFrame, handle: handleIncrementalAlterConfigs},
	{key: kmsg.ElectLeaders, min: 0, max: 2, frameLimit: smallFrame, handle: handleElectLeaders},
	{key: kmsg.AlterPartitionAssignments, min: 0, max: 1, frameLimit: smallFrame, handle: handleAlterPartitionReassignments},
	{key: kmsg.ListPartitionReassignments, min: 0, max: 0, frameLimit: smallFrame, handle: handleListPartitionReassignments},
	{key: kmsg.DescribeQuorum, min: 0, max: 2, frameLimit: smallFrame, handle: handleDescribeQuorum},
	{key: kmsg.UpdateFeatures, min: 0, max: 2, frameLimit: smallFrame, handle: handleUpdateFeatures},
	{key: kmsg.UnregisterBroker, min: 0, max: 0, frameLimit: smallFrame, handle: handleUnregisterBroker},
	{key: kmsg.DescribeCluster, min: 0, max: 2, frameLimit: smallFrame, handle: handleDescribeCluster},
	{key: kmsg.DescribeTopicPartitions, min: 0, max: 0, frameLimit: smallFrame, handle: handleDescribeTopicPartitions},

	// Consumer groups (coordinator).
	{key: kmsg.OffsetCommit, min: 2, max: 10, frameLimit: groupFrame, handle: handleOffsetCommit},
	{key: kmsg.OffsetFetch, min: 1, max: 10, frameLimit: groupFrame, handle: handleOffsetFetch},
	{key: kmsg.FindCoordinator, min: 0, max: 6, frameLimit: smallFrame, handle: handleFindCoordinator},
	{key: kmsg.JoinGroup, min: 0, max: 9, frameLimit: groupFrame, handle: handleJoinGroup},
	{key: kmsg.Heartbeat, min: 0, max: 4, frameLimit: smallFrame, handle: handleHeartbeat},
	{key: kmsg.LeaveGroup, min: 0, max: 5, frameLimit: smallFrame, handle: handleLeaveGroup},
	{key: kmsg.SyncGroup, min: 0, max: 5, frameLimit: groupFrame, handle: handleSyncGroup},
	{key: kmsg.DescribeGroups, min: 0, max: 6, frameLimit: smallFrame, handle: handleDescribeGroups},
	{key: kmsg.ListGroups, min: 0, max: 5, frameLimit: smallFrame, handle: handleListGroups},
	{key: kmsg.DeleteGroups, min: 0, max: 2, frameLimit: smallFrame, handle: handleDeleteGroups},
	{key: kmsg.OffsetDelete, min: 0, max: 0, frameLimit: groupFrame, handle: handleOffsetDelete},
}

// byKey finds a row by key; a key without one has a nil entry. It is filled
// by init since handlers read it.
var byKey []*api

func init() {
	for i := range apis {
		a := &apis[i]
		for len(byKey) <= int(a.key) {
			byKey = append(byKey, nil)
		}
		if byKey[a.key] != nil {
			panic(fmt.Sprintf("apis: two rows for key %d", a.key))
		}
		byKey[a.key] = a
		var err error
		if a.layout, err = parseSchema(schemas[a.key.Int16()]); err != nil {
			panic(fmt.Sprintf("apis: %s: %v", a.name(), err))
		}
	}
}

func (a *api) name() string { return a.key.Name() }

// lookup returns the row of a key, nil if it has none.
func lookup(key int16) *api {
	if key < 0 || int(key) >= len(byKey) {
		return nil
	}
	return byKey[key]
}
