// Package engine runs a cluster of brokers in one process: each with its own
// listeners, its own folder and its own replicas; one controller; one event
// hub. It is the façade of everything below engine/, and owns the order in
// which the parts are opened and closed.
//
// It imports every other package of the engine, and nothing of the console.
//
// # Locks
//
// At most one of these is held at a time, and none of them across disk syncs,
// network, channels or sleep:
//
//   - replica.Partition: writes to one partition
//   - replica.Set: the set of partitions of one broker
//   - event.Hub: the ring of state events
//
// The controller and each group coordinator shard are goroutines with a
// mailbox; nothing else touches their state.
package engine
