// Package broker is the wire: one broker's listeners, connections and frames,
// the table of the APIs it speaks (apis.go), and one file for each API key
// (00_produce.go, 01_fetch.go, …).
//
// It owns the connections and what the protocol says of them: the order of
// answers, limits on size, memory, number and time, and the version ranges. It
// decides nothing about logs, topics or groups: handlers translate between the
// protocol and engine/replica, engine/controller and engine/coordinator, which
// it may import with what lies below them; it is imported by the façade alone.
//
// A connection has a reader, which reads a frame, runs its handler and goes on
// to the next frame, and, from the first answer that has to wait, a writer. A
// handler may append to a log but never waits: what waits is parked and runs on
// the writer, in the order of the requests.
package broker
