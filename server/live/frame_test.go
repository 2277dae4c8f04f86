package live

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/logarium/logarium/engine/event"
)

var sameFrame = cmp.Options{cmpopts.IgnoreUnexported(Frame{}), cmpopts.EquateEmpty()}

// anyFrame draws a frame whose ids are ascending.
func anyFrame(t *rapid.T, label string) *Frame {
	n := rapid.Int64Range(-1000, 1<<40)
	ids := func(what string) []int {
		m := rapid.MapOfN(rapid.IntRange(1, 40), rapid.Just(true), 0, 20).Draw(t, label+what)
		var out []int
		for id := 1; id <= 40; id++ {
			if m[id] {
				out = append(out, id)
			}
		}
		return out
	}
	f := &Frame{No: rapid.Uint64Range(0, 1<<50).Draw(t, label+"no"), Time: 1_700_000_000_000, Window: rapid.Int64Range(0, 5000).Draw(t, label+"window")}
	for _, id := range ids("brokers") {
		f.Brokers = append(f.Brokers, BrokerDelta{id, n.Draw(t, "in"), n.Draw(t, "out"), n.Draw(t, "bin"), n.Draw(t, "bout"), n.Draw(t, "conns"), n.Draw(t, "size")})
	}
	for _, id := range ids("partitions") {
		f.Partitions = append(f.Partitions, PartitionDelta{id, n.Draw(t, "in"), n.Draw(t, "out"), n.Draw(t, "hw"), n.Draw(t, "end"), n.Draw(t, "start")})
	}
	for _, id := range ids("replicas") {
		f.Replicas = append(f.Replicas, ReplicaDelta{id, n.Draw(t, "replicated"), n.Draw(t, "rend")})
	}
	for _, id := range ids("links") {
		f.Links = append(f.Links, LinkDelta{id, n.Draw(t, "records")})
	}
	for _, id := range ids("lags") {
		f.Lags = append(f.Lags, LagDelta{id, n.Draw(t, "committed"), n.Draw(t, "lag")})
	}
	if rapid.Bool().Draw(t, label+"row") {
		r := Row{Time: f.Time, Span: 100, In: 5, Out: 4, BytesIn: 3, BytesOut: 2, Lag: 1}
		r.Latency[event.StageCommit] = Latency{9, 1, 2, 3, 4}
		f.Fine, f.Second = []Row{r}, []Row{{Time: f.Time, In: -1, Out: -1, BytesIn: -1, BytesOut: -1, Lag: -1}}
	}
	return f
}

func TestFrame_DecodeReadsWhatEncodeWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFrame(t, "f")
		got, err := DecodeFrame(f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(f, got, sameFrame); d != "" {
			t.Fatal(d)
		}
	})
}

func TestFrame_MergedFramesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyFrame(t, "a"), anyFrame(t, "b"), anyFrame(t, "c")
		left, right := a.Merge(b).Merge(c), a.Merge(b.Merge(c))
		if d := cmp.Diff(left, right, sameFrame); d != "" {
			t.Fatalf("merging is not associative: %s", d)
		}
		want := make(map[int]int64)
		for _, f := range []*Frame{a, b, c} {
			for _, l := range f.Links {
				want[l.ID] += l.Records
			}
		}
		for _, l := range left.Links {
			if want[l.ID] != l.Records {
				t.Fatalf("link %d: %d records merged, %d in the parts", l.ID, l.Records, want[l.ID])
			}
			delete(want, l.ID)
		}
		if len(want) != 0 {
			t.Fatalf("links lost: %v", want)
		}
		if left.Window != a.Window+b.Window+c.Window || len(left.Fine) != len(a.Fine)+len(b.Fine)+len(c.Fine) {
			t.Fatal("spans or rows were lost")
		}
	})
}

func TestDecodeFrame_RefusesWhatIsNoFrame(t *testing.T) {
	for _, in := range []string{``, `[]`, `{"p":[1,2]}`, `{"l":[0,5]}`, `{"l":[3,1,-1,1]}`, `{"g":[1]}`, `{"h":[[1,2]]}`, `{"l":[9e99,1]}`} {
		if _, err := DecodeFrame([]byte(in)); !errors.Is(err, ErrBadFrame) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte(`{"n":7,"t":1700000000000,"w":100,"p":[1,5,5,5,5,0,2,1,0,1,1,0],"r":[3,5,5,1,0,-7],"l":[4,5],"g":[9,5,0]}`))
	f.Add([]byte(`{"n":1,"t":1,"w":1,"s":[[1,100,null,null,null,null,null,0,null,null,null,null,0,null,null,null,null,0,null,null,null,null]]}`))
	f.Add([]byte(`{"b":[1,1,2,3,4,5,6]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := DecodeFrame(data)
		if err != nil {
			return
		}
		once := frame.Bytes()
		again, err := DecodeFrame(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if !bytes.Equal(once, again.Bytes()) {
			t.Fatalf("%s became %s", once, again.Bytes())
		}
	})
}
