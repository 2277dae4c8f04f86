package broker

import (
	"sync"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/replica"
)

// maxLinks bounds what one connection keeps; a client that goes through more
// partitions than that starts anew.
const maxLinks = 4096

// links are the flows between one connection's client and the partitions it
// uses, kept so that the hot paths only add to counters.
type links struct {
	mu       sync.Mutex // reader and writer both count
	clientID string
	of       map[linkKey]*event.Link
}

type linkKey struct {
	direction event.Direction
	partition *replica.Partition
}

// count adds to the flow between the sender of a request and a partition.
func (r *request) count(d event.Direction, p *replica.Partition, records, bytes int64) {
	l := &r.conn.links
	l.mu.Lock()
	if l.clientID != r.clientID || l.of == nil || len(l.of) >= maxLinks {
		l.clientID, l.of = r.clientID, map[linkKey]*event.Link{}
	}
	key := linkKey{d, p}
	link := l.of[key]
	if link == nil {
		link = r.conn.b.hub.Link(event.LinkKey{Direction: d, ClientID: r.clientID, Topic: p.Topic(), Partition: p.Index()})
		if r.software != "" {
			link.Software.Store(&r.software)
		}
		l.of[key] = link
	}
	l.mu.Unlock()
	link.Records.Add(records)
	link.Bytes.Add(bytes)
}
