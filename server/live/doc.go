// Package live turns what the embedded engine tells about itself into the
// living picture in the browser: a sampler reads the hub's counters ten times
// a second, a view encodes the differences once for everybody who looks at it,
// and one server-sent event stream for each tab carries them there.
//
// It owns the picture's model (ids, schema, frames, patches), the history that
// fills the graphs at the first paint, and the adapter over r3labs/sse. It may
// import engine/event and r3labs/sse, and it is the only importer of the
// latter.
//
// # The accounting
//
// Nothing is estimated. A frame carries differences of counters; the sum of
// all differences that a reader was ever sent equals the counter. A slow
// reader gets merged frames (sums), never fewer records. State events are
// pushed at once, each with its sequence number.
//
// # Locks
//
// Live.mu guards the world and the views and is never held over a channel, the
// network or a sleep. Subscriber.mu is a leaf under it.
package live
