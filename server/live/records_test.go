package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// shelf is a source that has every offset up to the high watermark.
type shelf struct{ reads int }

func (s *shelf) ReadRecords(_ context.Context, topic string, p int32, from int64, limit int) (out []RecordView, err error) {
	s.reads++
	for i := range limit {
		out = append(out, RecordView{Topic: topic, Partition: p, Offset: from + int64(i)})
	}
	return out, nil
}

func (s *shelf) TailRecords(ctx context.Context, _ string, _ func(RecordView)) error {
	<-ctx.Done()
	return nil
}

func TestLatest_ShownAndHiddenMakeAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 1)
		f.topic("__internal", 1)
		l := started(t, f.hub, Options{})
		l.ReadRecordsFrom(&shelf{})
		r := join(t, l, ViewEvents, 0)
		stop := l.watchLatest(r.Subscriber)
		defer stop()
		f.produce("app", "orders", 0, 4)
		f.produce("app", "__internal", 0, 50)
		time.Sleep(2 * time.Second)
		f.produce("app", "orders", 0, 1000)
		time.Sleep(2 * time.Second)
		var b RecordBatch
		for {
			m, ok := r.next()
			if !ok {
				break
			}
			if m.event == "record" {
				got := decode[RecordBatch](t, m.data)
				b.Records = append(b.Records, got.Records...)
				b.Hidden += got.Hidden
			}
		}
		if len(b.Records) != 2*latestPerTurn || b.Hidden != 1000-latestPerTurn {
			t.Fatalf("%d shown, %d hidden of 1004", len(b.Records), b.Hidden)
		}
		if last := b.Records[len(b.Records)-1]; last.Topic != "orders" || last.Offset != 1003 {
			t.Errorf("the newest is %+v", last)
		}
	})
}

func TestLatest_NobodyWatchesNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 1)
		l := started(t, f.hub, Options{})
		s := &shelf{}
		l.ReadRecordsFrom(s)
		f.produce("app", "orders", 0, 100)
		time.Sleep(10 * time.Second)
		if s.reads != 0 {
			t.Errorf("%d reads for nobody", s.reads)
		}
		if got := l.LatestRecords(context.Background()); len(got) != latestPerTurn || got[0].Offset != 99 {
			t.Errorf("the first state of a page has %+v", got)
		}
	})
}
