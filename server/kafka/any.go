package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// patience is how long the console waits for one broker before it asks the
// others as well: a broker that is paused or cut off takes connections and does
// not answer, and a page must not wait for it.
const patience = 250 * time.Millisecond

// onePatience bounds a question that one certain broker must answer: one that
// does not must not keep the others' answers from the page.
const onePatience = 1500 * time.Millisecond

// anyOf asks a question that any broker can answer, and that changes nothing.
// It asks one broker, after patience all of them, and returns the first answer.
func (c *Cluster) anyOf(ctx context.Context, ask func() kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	brokers := c.client.DiscoveredBrokers()
	answers := make(chan answer, 1+len(brokers))
	put := func(to kmsg.Requestor) {
		go func() {
			resp, err := to.Request(ctx, ask())
			answers <- answer{resp, err}
		}()
	}
	put(c.client)
	under := 1
	spread := time.NewTimer(patience)
	defer spread.Stop()
	for {
		select {
		case a := <-answers:
			under--
			if a.err == nil || under == 0 {
				return a.resp, explain(a.err)
			}
		case <-ctx.Done():
			return nil, explain(ctx.Err())
		case <-spread.C:
			for _, b := range brokers {
				put(b)
				under++
			}
		}
	}
}

// within runs ask and returns when ctx ends, whether ask has ended or not: a
// client that is opening a connection does not look at the context.
func within[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := ask(ctx)
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, explain(ctx.Err())
	}
}

type answer struct {
	resp kmsg.Response
	err  error
}
