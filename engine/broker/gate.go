package broker

import "sync/atomic"

// Gate is what all of a broker passes that it does towards the outside:
// requests before they are run, answers before they are sent, connections
// before they are served, heartbeats. While it is shut the broker is like a
// process that was sent SIGSTOP: the kernel still takes bytes and connections
// for it, and nothing comes back. Nobody who waits at the gate holds a lock.
//
// The zero value is open; passing an open gate costs one atomic load.
type Gate struct {
	shut atomic.Pointer[chan struct{}] // closed when the gate opens; nil: it is open
}

// Shut shuts the gate. It says whether it was open.
func (g *Gate) Shut() bool {
	opens := make(chan struct{})
	return g.shut.CompareAndSwap(nil, &opens)
}

// Open lets everybody pass. It says whether the gate was shut.
func (g *Gate) Open() bool {
	opens := g.shut.Swap(nil)
	if opens != nil {
		close(*opens)
	}
	return opens != nil
}

// pass waits until the gate is open or done is closed.
func (g *Gate) pass(done <-chan struct{}) {
	for {
		opens := g.shut.Load()
		if opens == nil {
			return
		}
		select {
		case <-*opens:
		case <-done:
			return
		}
	}
}
