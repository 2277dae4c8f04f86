package main

import (
	"context"
	"fmt"

	"github.com/logarium/logarium/engine"
)

// brokers lets the console run the brokers of the engine; see server.Brokers.
type brokers struct{ engine *engine.Engine }

func (b brokers) State(id int32) string {
	broker := b.engine.Broker(id)
	if broker == nil {
		return ""
	}
	state, _ := broker.State() // the console tells the cause by the event of the failure
	return string(state)
}

func (b brokers) Stop(ctx context.Context, id int32) error {
	return b.do(id, func(broker *engine.Broker) error { return broker.Stop(ctx) })
}

func (b brokers) Kill(id int32) error { return b.do(id, (*engine.Broker).Kill) }

func (b brokers) Pause(id int32) error { return b.do(id, (*engine.Broker).Pause) }

func (b brokers) Resume(id int32) error { return b.do(id, (*engine.Broker).Resume) }

func (b brokers) Start(ctx context.Context, id int32) error {
	return b.do(id, func(broker *engine.Broker) error { return broker.Start(ctx) })
}

func (b brokers) do(id int32, act func(*engine.Broker) error) error {
	broker := b.engine.Broker(id)
	if broker == nil {
		return fmt.Errorf("there is no broker %d", id)
	}
	return act(broker)
}
