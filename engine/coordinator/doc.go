// Package coordinator runs the group coordinators of one broker: an actor for
// each partition of __consumer_offsets that the broker leads (a shard).
//
// A request goes into its shard's mailbox, from there into the pure machine of
// coordinator/group, which says what records to write and what to answer. The
// shard appends the records, replays them into the machine, and parks the
// answers until the high watermark has passed them. A shard that is elected
// replays its partition before it serves, by the same Replay, so recovery is
// the normal path.
//
// The package owns goroutines, timers and the mailbox; it decides nothing
// about groups. It may import coordinator/group, batch and event, and never
// broker, replica or controller.
package coordinator
