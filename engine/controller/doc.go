// Package controller decides what the cluster is: topics, partitions, leaders,
// settings, registered brokers, producer ids. Every decision is a run of
// metadata records in a log that a quorum of controllers agrees on by raft.
//
// It has two halves. The machine (machine_*.go) is pure: from the image as of
// the last record appended, a request and the present time it makes records
// and an answer; it has no goroutine, no clock and no I/O. The quorum
// (quorum.go) is one goroutine around an etcd raft RawNode: it collects the
// requests that wait into one proposal, syncs it, applies what is committed,
// tells the watchers, and only then gives the answers.
//
// The package owns the files of the metadata log (docs/format/metadata-log.md).
// It imports metadata, event and vfs of this code, and raft; never broker,
// replica or coordinator.
package controller
