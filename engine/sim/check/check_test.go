package check

import (
	"slices"
	"testing"
	"time"
)

// story is a history made by hand, told to a ledger.
type story struct {
	*Ledger
	clock time.Duration
}

var (
	p0 = Part{"t", 0}
	p1 = Part{"t", 1}
)

// send sends a record of the idempotent producer a, and acknowledges it.
func (s *story) send(seq int64, value string, offset int64) *Sent {
	w := s.Send(Write{Part: p0, Producer: "a", Seq: seq, Value: value, All: true, Idempotent: true})
	w.Acked(offset)
	return w
}

func (s *story) read(from, hw int64, values ...string) {
	r := Read{Part: p0, Reader: "r", From: from, HighWatermark: hw, Epoch: 1}
	for i, v := range values {
		r.Records = append(r.Records, Record{from + int64(i), v})
	}
	s.Read(s.Call(), r)
}

// audit finds values from offset start on.
func (s *story) audit(start int64, values ...string) {
	var records []Record
	for i, v := range values {
		records = append(records, Record{start + int64(i), v})
	}
	s.Audit(s.Call(), p0, start, start+int64(len(values)), records)
}

// stories are histories with the rules that they break.
var stories = []struct {
	name string
	tell func(s *story)
	want []Rule
}{
	{"all is well", func(s *story) {
		s.send(0, "a", 0)
		s.send(1, "b", 1)
		lost := s.Send(Write{Part: p0, Producer: "a", Seq: 2, Value: "c", Idempotent: true})
		lost.Failed()
		s.send(3, "d", 2)
		s.read(0, 3, "a", "b", "d")
		s.Bounds(s.Call(), p0, 1, 0, 3, "r")
		s.Poll("c", p0, []Record{{0, "a"}, {1, "b"}})
		s.Poll("c", p0, []Record{{2, "d"}})
		s.Leader("b1", p0, 1, 1)
		s.Leader("b2", p0, 1, 1)
		s.Leader("b1", p0, 2, -1)
		s.Leader("b1", p0, 3, 2)
		s.Commit("g", p0, 2)()
		s.Committed(s.Call(), "g", p0, 2)
		s.Change("topic u", "3")(true)
		s.Facts(s.Call(), "r", func(string) string { return "3" })
		s.audit(0, "a", "b", "d")
		s.Delete(p0, 2)
		s.read(2, 3, "d")
		s.audit(2, "d")
	}, nil},
	{"two leaders in one epoch", func(s *story) {
		s.Leader("b1", p0, 4, 1)
		s.Leader("b2", p0, 4, 2)
	}, []Rule{OneLeader}},
	{"a leader epoch goes back", func(s *story) {
		s.Leader("b1", p0, 4, 1)
		s.Leader("b1", p0, 3, 2)
	}, []Rule{EpochBack}},
	{"a gauge goes back", func(s *story) {
		s.Gauge("b1 run 1", p0, 5)
		s.Gauge("b1 run 2", p0, 4)
		s.Gauge("b1 run 2", p0, 3)
	}, []Rule{WatermarkBack}},
	{"a gauge goes back with its log", func(s *story) {
		s.Gauge("b1", p0, 5)
		s.Truncated("b1", p0, 3)
		s.Gauge("b1", p0, 3)
		s.Gauge("b1", p0, 2)
	}, []Rule{WatermarkBack}},
	{"an end offset goes back", func(s *story) {
		s.Bounds(s.Call(), p0, 1, -1, 7, "r")
		s.Bounds(s.Call(), p0, 2, -1, 6, "q")
	}, []Rule{WatermarkBack}},
	{"an end offset of an old epoch, or asked for before, may be lower", func(s *story) {
		early := s.Call()
		s.Bounds(s.Call(), p0, 2, -1, 7, "r")
		s.Bounds(s.Call(), p0, 1, -1, 6, "q")
		s.Bounds(early, p0, 2, -1, 6, "q")
	}, nil},
	{"a fetch tells a lower high watermark in the same epoch", func(s *story) {
		s.read(0, 7)
		s.read(0, 6)
	}, []Rule{WatermarkBack}},
	{"a fetch from a new leader may", func(s *story) {
		s.Bounds(s.Call(), p0, 0, -1, 7, "q")
		s.read(0, 6)
	}, nil},
	{"records above the high watermark", func(s *story) {
		s.send(0, "a", 0)
		s.read(0, 0, "a")
	}, []Rule{WatermarkBack}},
	{"an acknowledged record is lost", func(s *story) {
		s.send(0, "a", 0)
		s.send(1, "b", 1)
		s.audit(0, "a")
	}, []Rule{AckedLost}},
	{"an acknowledged record is elsewhere", func(s *story) {
		s.send(0, "a", 0)
		s.send(1, "b", 2)
		s.audit(0, "a", "b")
	}, []Rule{AckedLost}},
	{"a record acknowledged during the audit may be missing", func(s *story) {
		s.send(0, "a", 0)
		call := s.Call()
		s.send(1, "b", 1)
		s.Audit(call, p0, 0, 1, []Record{{0, "a"}})
	}, nil},
	{"what was acknowledged to acks=1 may be lost", func(s *story) {
		s.Send(Write{Part: p0, Producer: "weak", Value: "a"}).Acked(0)
		s.audit(0)
	}, nil},
	{"what was read is lost", func(s *story) {
		s.Send(Write{Part: p0, Producer: "weak", Value: "a"}).Acked(0)
		s.read(0, 1, "a")
		s.audit(0)
	}, []Rule{ReadLost}},
	{"an offset that was readable is out of range", func(s *story) {
		s.Bounds(s.Call(), p0, 1, -1, 7, "r")
		s.OutOfRange(s.Call(), p0, 8, 1, "q")
		s.OutOfRange(s.Call(), p0, 7, 0, "q")
		s.OutOfRange(s.Call(), p0, 7, 1, "q")
	}, []Rule{ReadLost}},
	{"an offset is out of range that was deleted", func(s *story) {
		s.Bounds(s.Call(), p0, 1, -1, 7, "r")
		s.Delete(p0, 3)
		s.OutOfRange(s.Call(), p0, 2, 1, "q")
	}, nil},
	{"two values at an offset", func(s *story) {
		s.Send(Write{Part: p0, Producer: "weak", Value: "a"})
		s.Send(Write{Part: p0, Producer: "weak", Seq: 1, Value: "b"})
		s.read(0, 1, "a")
		s.Poll("c", p0, []Record{{0, "b"}})
	}, []Rule{OneValue}},
	{"two acknowledgements of an offset", func(s *story) {
		s.send(0, "a", 0)
		s.send(1, "b", 0)
	}, []Rule{OneValue}},
	{"a value that nobody sent", func(s *story) { s.read(0, 1, "x") }, []Rule{Phantom}},
	{"a value of another partition", func(s *story) {
		s.Send(Write{Part: p1, Producer: "a", Value: "a"})
		s.read(0, 1, "a")
	}, []Rule{Phantom}},
	{"a hole in a producer's records", func(s *story) {
		for i, v := range []string{"a", "b", "c"} {
			s.Send(Write{Part: p0, Producer: "a", Seq: int64(i), Value: v, Idempotent: true})
		}
		s.audit(0, "a", "c")
	}, []Rule{Gap}},
	{"a hole before a producer's first record", func(s *story) {
		s.Send(Write{Part: p0, Producer: "a", Value: "a", Idempotent: true})
		s.Send(Write{Part: p0, Producer: "a", Seq: 1, Value: "b", Idempotent: true})
		s.audit(0, "b")
	}, []Rule{Gap}},
	{"a hole in the offsets", func(s *story) {
		s.send(0, "a", 0)
		s.Audit(s.Call(), p0, 0, 2, []Record{{0, "a"}})
	}, []Rule{Gap}},
	{"a hole in what is read", func(s *story) {
		s.send(0, "b", 1)
		s.Read(s.Call(), Read{Part: p0, From: 0, Records: []Record{{1, "b"}}, HighWatermark: 2})
	}, []Rule{Gap}},
	{"a record twice", func(s *story) {
		s.send(0, "a", 0)
		s.audit(0, "a", "a")
	}, []Rule{Duplicate}},
	{"a record that was sent once only, twice", func(s *story) {
		s.Send(Write{Part: p0, Producer: "raw", Value: "a", Once: true})
		s.audit(0, "a", "a")
	}, []Rule{Duplicate}},
	{"records in another order", func(s *story) {
		s.Send(Write{Part: p0, Producer: "a", Value: "a", Idempotent: true}).Failed()
		s.Send(Write{Part: p0, Producer: "a", Seq: 1, Value: "b", Idempotent: true})
		s.audit(0, "b", "a")
	}, []Rule{Order}},
	{"a poll skips", func(s *story) {
		s.send(0, "a", 0)
		s.send(1, "b", 2)
		s.Poll("c", p0, []Record{{0, "a"}, {2, "b"}})
	}, []Rule{PollSkip}},
	{"a poll steps back", func(s *story) {
		s.send(0, "a", 0)
		s.Poll("c", p0, []Record{{0, "a"}})
		s.Poll("c", p0, []Record{{0, "a"}})
	}, []Rule{PollSkip}},
	{"a poll after a rebalance may be anywhere", func(s *story) {
		s.send(0, "a", 0)
		s.Poll("c", p0, []Record{{0, "a"}})
		s.Seek("c", p0)
		s.Poll("c", p0, []Record{{0, "a"}})
	}, nil},
	{"the log start moves by itself", func(s *story) {
		s.Delete(p0, 2)
		s.Bounds(s.Call(), p0, 1, 3, -1, "r")
	}, []Rule{LogStart}},
	{"retention takes what is young", func(s *story) {
		s.Topic("t", Policy{Retention: time.Minute})
		s.send(0, "old", 0)
		s.clock = time.Hour
		s.Bounds(s.Call(), p0, 1, 1, -1, "r")
		s.send(1, "young", 1)
		s.Bounds(s.Call(), p0, 1, 2, -1, "r")
	}, []Rule{LogStart}},
	{"a committed offset goes back", func(s *story) {
		s.Commit("g", p0, 5)()
		s.Commit("g", p0, 6)
		s.Committed(s.Call(), "g", p0, 4)
	}, []Rule{OffsetBack}},
	{"a committed offset that was seen goes back", func(s *story) {
		s.Commit("g", p0, 5)
		s.Committed(s.Call(), "g", p0, 5)
		s.Committed(s.Call(), "g", p0, -1)
	}, []Rule{OffsetBack}},
	{"an offset that nobody committed", func(s *story) {
		s.Commit("g", p0, 5)
		s.Committed(s.Call(), "g", p0, 6)
	}, []Rule{Phantom}},
	{"a topic is lost", func(s *story) {
		s.Change("topic u", "3")(true)
		s.Facts(s.Call(), "r", func(string) string { return Absent })
	}, []Rule{MetadataLost}},
	{"a deleted topic comes back", func(s *story) {
		s.Change("topic u", "3")(true)
		s.Change("topic u", Absent)(true)
		s.Facts(s.Call(), "r", func(string) string { return "3" })
	}, []Rule{MetadataLost}},
	{"a change without an answer may be there or not", func(s *story) {
		s.Change("topic u", "3")(true)
		s.Change("topic u", "6")(false)
		s.Facts(s.Call(), "r", func(string) string { return "3" })
		s.Facts(s.Call(), "r", func(string) string { return "6" })
	}, nil},
}

func TestLedger_FindsWhatBreaksARule(t *testing.T) {
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			s := &story{}
			s.Ledger = New(func() time.Duration { return s.clock })
			c.tell(s)
			var got []Rule
			for _, v := range s.Violations() {
				t.Log(v)
				got = append(got, v.Rule)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("broken are %v, want %v", got, c.want)
			}
		})
	}
}
