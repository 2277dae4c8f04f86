package engine

import (
	"context"
	"errors"
	"time"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/event"
)

// guard ends the broker if its metadata log fails and the other brokers can do
// without it: it would not learn any more who leads what. Where they cannot,
// since all of them share a disk that is full, say, every broker goes on with
// what it knows, so that what is there can still be read.
func (n *node) guard(life context.Context, c *controller.Controller) {
	select {
	case <-life.Done():
		return
	case <-c.Broken():
	}
	// A disk that fails for one often fails for all, at the next record that all
	// of them write.
	judge := time.NewTimer(n.engine.cfg.sessionTimeout())
	defer judge.Stop()
	select {
	case <-life.Done():
		return
	case <-judge.C:
	}
	if n.engine.hasQuorum() {
		n.fall(c.Failure())
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.op == nil && n.state == Running {
		n.cause = c.Failure()
	}
}

// fall ends a broker that runs because of what happened to it.
func (n *node) fall(cause error) {
	n.mu.Lock()
	if n.op != nil || n.state != Running || n.engine.closing.Load() {
		n.mu.Unlock() // somebody ends it already, or is starting it and will see
		return
	}
	op := &operation{abort: func() {}, done: make(chan struct{})}
	n.op, n.state, n.cause = op, Failed, cause
	n.mu.Unlock()
	n.cut()
	n.end(op, Failed, cause)
	n.engine.cfg.Events.Emit(event.State{Kind: event.BrokerFailed, Broker: n.id, Partition: -1, Text: cause.Error()})
}

// closeController closes the node's controller, if it has one. The failure that
// it was known for is not told again.
func (n *node) closeController() error {
	c := n.controller.Swap(nil)
	if c == nil {
		return nil
	}
	n.over()
	failure := c.Failure()
	if err := c.Close(); failure == nil || !errors.Is(err, failure) {
		return err
	}
	return nil
}
