// Package group is the group coordinator's logic: the classic consumer group
// protocol (KIP-345, KIP-394, KIP-800, KIP-814 included) and committed offsets,
// as a pure machine without goroutine, clock or I/O. Requests and the time go
// in; records to write, answers, events and the next deadline come out.
//
// It owns the meaning of the records of __consumer_offsets, which are Kafka's
// own (docs/format/consumer-offsets.md). Durable state changes by Replay
// alone. It may import event, batch, kmsg and kerr.
package group
