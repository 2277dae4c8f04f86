package engine

import (
	"context"
	"errors"
)

// Close stops taking requests, lets those under way end until ctx does, and
// closes all files so that the next start needs no recovery. All brokers stop
// together: nobody takes over from anybody. A second call waits for the first
// and returns its error.
func (e *Engine) Close(ctx context.Context) error {
	e.once.Do(func() {
		defer close(e.closed)
		e.closing.Store(true)
		e.closeErr = e.close(ctx)
	})
	<-e.closed
	return e.closeErr
}

func (e *Engine) close(ctx context.Context) error {
	for _, n := range e.nodes {
		n.settle(ctx)
	}
	// From here on nothing is done to a node but by this function.
	var errs []error
	errs = append(errs, e.eachOpen(func(n *node) error { return n.broker.Load().Shut(ctx) }))
	errs = append(errs, e.eachOpen(func(n *node) error { // the active controller still hears of all of them
		n.groups.Close()
		return n.broker.Swap(nil).Close(ctx)
	}))
	// All controllers at once: none is to take the others for lost.
	errs = append(errs, e.each((*node).closeController))
	errs = append(errs, e.each(func(n *node) error {
		if s := n.replicas.Swap(nil); s != nil {
			return s.Close(true)
		}
		return nil
	}))
	clean := errors.Join(errs...) == nil
	for _, n := range e.nodes {
		state, _ := n.current()
		clean = clean && (state == Running || state == Stopped)
	}
	return errors.Join(append(errs, e.closeRest(clean))...)
}

// eachOpen is each for the nodes that have a broker.
func (e *Engine) eachOpen(do func(*node) error) error {
	return e.each(func(n *node) error {
		if n.broker.Load() == nil {
			return nil
		}
		return do(n)
	})
}

// closeRest closes what the brokers share.
func (e *Engine) closeRest(clean bool) error {
	e.unwatch()
	err := e.closeJournal(clean)
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	return err
}

// abandon closes all that an Open that failed has opened. No log is marked as
// ended in order: some may not have been read.
func (e *Engine) abandon() error {
	e.closing.Store(true)
	_ = e.each(func(n *node) error {
		n.cut()
		return nil
	})
	return e.closeRest(false)
}

// settle waits for what is being done to a node: a Start is broken off, a Stop
// may end until ctx does. A paused node goes on.
func (n *node) settle(ctx context.Context) {
	n.mu.Lock()
	op, state := n.op, n.state
	n.mu.Unlock()
	if op != nil {
		if state == Starting {
			op.abort()
		}
		select {
		case <-op.done:
		case <-ctx.Done():
			op.abort()
			<-op.done
		}
	}
	if state == Paused {
		n.goOn()
	}
}
