package live

import (
	"encoding/json"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// A burst: more than burstLimit state events in a second are told as the first
// burstShown and a count, so that the creation of a thousand topics does not
// bury the page. The picture's model holds them all the same.
const (
	burstLimit = 200
	burstShown = 50
)

// Burst tells how many state events were counted instead of sent.
type Burst struct {
	Count uint64            `json:"count"`
	First uint64            `json:"first"` // sequence numbers
	Last  uint64            `json:"last"`
	Time  int64             `json:"t"` // unix ms
	Kinds map[string]uint64 `json:"kinds"`
}

// eventFeed hands state events to every subscriber, and counts those of a
// burst. The zero value is ready.
type eventFeed struct {
	since time.Time // begin of the current second
	sent  int       // in it
	burst *Burst    // counted in it and not told yet
}

// push hands events on.
func (f *eventFeed) push(now time.Time, events []event.State, views map[string]*view) {
	if now.Sub(f.since) >= time.Second {
		f.tell(now, views)
		f.since, f.sent = now, 0
	}
	limit := burstLimit
	if f.sent+len(events) > burstLimit {
		limit = max(f.sent, burstShown)
	}
	for i := range events {
		e := &events[i]
		if f.sent >= limit || f.burst != nil {
			f.count(e.Seq, e.Seq, 1, string(e.Kind))
			continue
		}
		f.sent++
		m := message{event: "state", id: e.Seq, data: mustJSON(stateEvent(e))}
		for _, v := range views {
			for s := range v.subs {
				s.offerEvent(m)
			}
		}
	}
}

// lose counts n events before seq that are no longer in the hub's ring.
func (f *eventFeed) lose(n, seq uint64) { f.count(seq-n, seq-1, n, "lost") }

func (f *eventFeed) count(first, last, n uint64, kind string) {
	if f.burst == nil {
		f.burst = &Burst{First: first, Kinds: make(map[string]uint64)}
	}
	f.burst.Last = last
	f.burst.Count += n
	f.burst.Kinds[kind] += n
}

// flush tells of a burst once its second is over.
func (f *eventFeed) flush(now time.Time, views map[string]*view) {
	if f.burst != nil && now.Sub(f.since) >= time.Second {
		f.tell(now, views)
	}
}

func (f *eventFeed) tell(now time.Time, views map[string]*view) {
	if f.burst == nil {
		return
	}
	f.burst.Time = now.UnixMilli()
	m := message{event: "burst", id: f.burst.Last, data: mustJSON(f.burst)}
	f.burst = nil
	for _, v := range views {
		for s := range v.subs {
			s.offerEvent(m)
		}
	}
}

// mustJSON encodes one of this package's own types, which always succeeds.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("live: " + err.Error())
	}
	return b
}
