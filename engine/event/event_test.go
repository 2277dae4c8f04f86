package event

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestHub_SequenceIsGapFreeUnderConcurrency(t *testing.T) {
	h := New()
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				h.Emit(State{Kind: TopicCreated})
			}
		})
	}
	wg.Wait()
	events, lost := h.Since(0, writers*each+1)
	if lost != 0 || len(events) != writers*each {
		t.Fatalf("got %d events, %d lost", len(events), lost)
	}
	for i, e := range events {
		if e.Seq != uint64(i+1) || e.At.IsZero() {
			t.Fatalf("event %d has seq %d at %v", i, e.Seq, e.At)
		}
	}
}

func TestHub_SinceTellsWhatTheRingLost(t *testing.T) {
	h := New()
	for range RingSize + 25 {
		h.Emit(State{})
	}
	events, lost := h.Since(0, 3)
	if lost != 25 || len(events) != 3 || events[0].Seq != 26 {
		t.Fatalf("lost %d, %d events from %d", lost, len(events), events[0].Seq)
	}
	if events, lost := h.Since(h.Last(), 10); lost != 0 || len(events) != 0 {
		t.Fatalf("nothing new, got %d events, %d lost", len(events), lost)
	}
}

func TestHub_ChangedWakesEveryWaiter(t *testing.T) {
	h := New()
	first := h.Changed()
	h.Emit(State{})
	select {
	case <-first:
	default:
		t.Fatal("Emit did not close the channel")
	}
	select {
	case <-h.Changed():
		t.Fatal("a fresh channel is closed already")
	default:
	}
}

func TestHub_LinksBeyondTheLimitAreCountedTogether(t *testing.T) {
	h := New()
	for i := range MaxLinks + 10 {
		h.Link(LinkKey{ClientID: fmt.Sprint("c", i), Topic: "t"}).Records.Add(1)
	}
	if got := h.Link(LinkKey{ClientID: OtherClients, Topic: "t"}).Records.Load(); got != 10 {
		t.Fatalf("others have %d records", got)
	}
	var all int64
	for _, l := range h.Links() {
		all += l.Records.Load()
	}
	if all != MaxLinks+10 {
		t.Fatalf("%d records in all", all)
	}
	h.DropLinks("t")
	if n := len(h.Links()); n != 0 {
		t.Fatalf("%d links after the topic is gone", n)
	}
}

func TestHistogram_BucketsAreOrderedAndNarrow(t *testing.T) {
	last := -1
	for us := uint64(0); us <= maxMicros; us += 1 + us/200 {
		b := bucketOf(us)
		if b < last || b >= BucketCount {
			t.Fatalf("%d µs is in bucket %d after %d of %d", us, b, last, BucketCount)
		}
		last = b
		floor := BucketFloor(b)
		if floor > us || float64(us-floor) > float64(us)/64+1 {
			t.Fatalf("%d µs is in bucket %d, which starts at %d", us, b, floor)
		}
	}
}

func TestHistogram_QuantileWithinTwoDigits(t *testing.T) {
	var h Histogram
	for i := 1; i <= 10_000; i++ {
		h.Record(time.Duration(i) * 10 * time.Microsecond)
	}
	h.Record(5 * time.Minute) // above the range: counted in the last bucket
	counts := make([]uint64, BucketCount)
	h.Snapshot(counts)
	for _, c := range []struct {
		q    float64
		want float64
	}{{0.5, 50_000}, {0.99, 99_000}, {0, 10}} {
		got, n := Quantile(counts, c.q)
		if n != 10_001 || float64(got) < c.want*0.98 || float64(got) > c.want*1.02 {
			t.Errorf("q%v = %d µs of %d, want about %v", c.q, got, n, c.want)
		}
	}
	if us, n := Quantile(make([]uint64, BucketCount), 0.5); us != 0 || n != 0 {
		t.Errorf("an empty histogram has quantile %d of %d", us, n)
	}
}

func BenchmarkHub_Emit(b *testing.B) {
	h := New()
	b.ReportAllocs()
	for b.Loop() {
		h.Emit(State{Kind: SegmentRolled})
	}
}

func BenchmarkHistogram_Record(b *testing.B) {
	var h Histogram
	for b.Loop() {
		h.Record(731 * time.Microsecond)
	}
}
