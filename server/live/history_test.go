package live

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/logarium/logarium/engine/event"
)

func TestHistory_RowsAreSumsAndTruePercentiles(t *testing.T) {
	f := fake{event.New()}
	f.topic("orders", 1)
	f.topic("__consumer_offsets", 1) // the brokers' own: not in the sums
	l := New(f.hub, quiet(Options{}))
	now := time.Now()
	l.sample(now)
	for i := range 20 {
		f.produce("app", "orders", 0, 5)
		f.produce("app", "__consumer_offsets", 0, 7)
		for range 99 {
			f.hub.Latency[event.StageProduce].Record(time.Millisecond)
		}
		f.hub.Latency[event.StageProduce].Record(time.Duration(i+1) * 10 * time.Millisecond)
		now = now.Add(fastTick)
		l.sample(now)
	}
	h := l.History()
	if len(h.Fine) != 20 || len(h.Second) != 2 {
		t.Fatalf("%d fine rows, %d of a second", len(h.Fine), len(h.Second))
	}
	for _, r := range h.Second {
		p := r.Latency[event.StageProduce]
		if r.In != 50 || r.BytesIn != 500 || p.Count != 1000 {
			t.Errorf("row: %+v", r)
		}
		if p.P50 < 980 || p.P50 > 1020 || p.P999 < 30_000 || p.Max < 95_000 {
			t.Errorf("percentiles: %+v", p)
		}
		if r.Latency[event.StageDeliver].Count != 0 {
			t.Errorf("nothing was delivered: %+v", r)
		}
	}
}

func TestHistory_StandstillIsAGap(t *testing.T) {
	f := fake{event.New()}
	f.topic("orders", 1)
	l := New(f.hub, quiet(Options{}))
	now := time.Now()
	l.sample(now)
	f.produce("app", "orders", 0, 1000)
	l.sample(now.Add(time.Minute))
	h := l.History()
	if len(h.Fine) != 1 || !h.Fine[0].Gap() || !h.Second[0].Gap() {
		t.Fatalf("a minute in which nobody looked is %+v", h.Fine)
	}
}

func TestHistory_RingsAreBoundedAndInOrder(t *testing.T) {
	l := New(event.New(), quiet(Options{}))
	now := time.Now()
	for range fineRows + secondRows + 7 {
		now = now.Add(time.Second)
		l.sample(now)
	}
	h := l.History()
	if len(h.Fine) != fineRows || len(h.Second) != secondRows {
		t.Fatalf("%d and %d rows", len(h.Fine), len(h.Second))
	}
	for i := 1; i < len(h.Second); i++ {
		if h.Second[i].Time <= h.Second[i-1].Time {
			t.Fatalf("row %d is not after the one before", i)
		}
	}
	if h.Second[secondRows-1].Time != now.UnixMilli() {
		t.Error("the newest row is not the last")
	}
}

func TestRow_JSON(t *testing.T) {
	for _, r := range []Row{
		{Time: 1, Span: 100, In: 2, Out: 3, BytesIn: 4, BytesOut: 5, Lag: 6, Latency: [event.StageCount]Latency{{7, 8, 9, 10, 11}, {}, {1, 2, 3, 4, 5}}},
		{Time: 1, Span: 9000, In: -1, Out: -1, BytesIn: -1, BytesOut: -1, Lag: -1},
	} {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var got Row
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got); d != "" {
			t.Errorf("%s: %s", data, d)
		}
	}
}
