package engine

import (
	"fmt"
	"strings"
)

// State is where a broker is in its life.
type State string

// The states of a broker.
const (
	Starting State = "starting" // it opens its logs and catches up
	Running  State = "running"  // it serves clients
	Draining State = "draining" // in controlled shutdown: it hands over what it leads
	Stopped  State = "stopped"  // shut down in order
	Killed   State = "killed"   // gone as by a loss of power
	Paused   State = "paused"   // it neither reads nor answers, and nobody was told
	Failed   State = "failed"   // it could not start, or stopped by itself
)

// StateError says that a broker is in a state in which something cannot be
// done with it.
type StateError struct {
	Broker int32
	State  State
	Do     string // stop, kill, pause, resume, start
}

// Error implements error.
func (e *StateError) Error() string {
	var from []string
	for _, s := range whence[e.Do] {
		from = append(from, string(s))
	}
	return fmt.Sprintf("broker %d is %s; to %s a broker, it must be %s", e.Broker, e.State, e.Do, strings.Join(from, " or "))
}

// What can be done with a broker.
const (
	doStop   = "stop"
	doKill   = "kill"
	doPause  = "pause"
	doResume = "resume"
	doStart  = "start"
)

// whence are the states in which a thing can be done.
var whence = map[string][]State{
	doStop:   {Running},
	doKill:   {Running, Paused, Starting, Draining, Failed},
	doPause:  {Running},
	doResume: {Paused},
	doStart:  {Stopped, Killed, Failed},
}
