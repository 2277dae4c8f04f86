// Package engine runs a cluster of brokers in one process. Each broker is a
// node with all that is its own: listeners, a folder, a controller (a voter or
// a learner of the metadata quorum), replicas, group coordinators. What they
// share is the event hub, the journal, and the links over which they call each
// other. It is the façade of everything below engine/, and owns the order in
// which the parts are opened and closed, and the life of each broker: started,
// stopped, killed and paused one by one (see Broker).
//
// It imports every other package of the engine, and nothing of the console.
//
// # Locks
//
// At most one of these is held at a time, and none of them across disk syncs,
// network, channels or sleep:
//
//   - node: the state of one broker, and the operation under way
//   - replica.Partition: writes to one partition
//   - replica.Set: the set of partitions of one broker
//   - netx.Links: changes of the links
//   - event.Hub: the ring of state events
//
// The controller and each group coordinator shard are goroutines with a
// mailbox; nothing else touches their state. An operation on a node holds no
// lock: while it is under way the node's state says so, and others are refused.
package engine
