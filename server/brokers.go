package server

import (
	"context"
)

// Brokers runs the brokers of the embedded cluster one by one: 1 to N, and for
// other ids State returns "". The states are starting, running, draining,
// stopped, killed, paused and failed. Stop returns when the broker has handed
// over what it led and is down, Start when its listener is open again; an error
// is in words for people.
type Brokers interface {
	State(id int32) string
	Stop(ctx context.Context, id int32) error // controlled shutdown
	Kill(id int32) error                      // as by power: connections cut, nothing flushed
	Pause(id int32) error                     // it neither reads nor answers
	Resume(id int32) error
	Start(ctx context.Context, id int32) error
}

// The states of a broker.
const (
	stateStarting = "starting"
	stateRunning  = "running"
	stateDraining = "draining"
	stateStopped  = "stopped"
	stateKilled   = "killed"
	statePaused   = "paused"
	stateFailed   = "failed"
)

// brokerAct is one thing that can be done with a broker.
type brokerAct struct {
	name    string
	from    []string // the states in which it makes sense
	asks    bool     // whether it waits for a confirmation
	done    string   // what is so after it
	perform func(ctx context.Context, b Brokers, id int32) error
}

// brokerActs are all of them, in the order of their buttons.
var brokerActs = []brokerAct{
	{"stop", []string{stateRunning, stateDraining}, true, "is stopped", func(ctx context.Context, b Brokers, id int32) error { return b.Stop(ctx, id) }},
	{"kill", []string{stateStarting, stateRunning, stateDraining, statePaused, stateFailed}, true, "is killed", func(_ context.Context, b Brokers, id int32) error { return b.Kill(id) }},
	{"pause", []string{stateRunning}, true, "is paused", func(_ context.Context, b Brokers, id int32) error { return b.Pause(id) }},
	{"resume", []string{statePaused}, false, "goes on", func(_ context.Context, b Brokers, id int32) error { return b.Resume(id) }},
	{"start", []string{stateStopped, stateKilled, stateFailed}, false, "is started", func(ctx context.Context, b Brokers, id int32) error { return b.Start(ctx, id) }},
}
