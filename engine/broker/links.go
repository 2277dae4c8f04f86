package broker

import (
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/replica"
)

// links are the flows between one connection's client and the partitions it
// uses, kept so that the hot paths only add to counters.
type links struct {
	produce, fetch map[*replica.Partition]*event.Link
}

// forget drops what belongs to another client id.
func (l *links) forget() { l.produce, l.fetch = nil, nil }
