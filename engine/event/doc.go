// Package event says what happened in the engine and how much: state events
// with a gap-free sequence, counters that the hot paths only add to, and
// latency histograms that merge by adding counts.
//
// It owns the vocabulary that the console draws from, and nothing else: the
// code path that changed something emits the event after the change holds, and
// nothing here ever blocks that path. It is the only package of the engine
// that the console may import, and it imports the standard library alone.
package event
