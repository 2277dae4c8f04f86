package check

import (
	"strings"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/batch"
)

// history is operations whose moments are in the order of the letters in the
// call and return columns.
func TestLinearizable(t *testing.T) {
	appended := func(call, back Call, value string, offset int64) Op {
		return Op{Kind: OpAppend, Value: value, Offset: offset, Call: call, Return: back}
	}
	read := func(client int, call, back Call, from int64, values ...string) Op {
		return Op{Client: client, Kind: OpRead, Offset: from, Values: values, Call: call, Return: back}
	}
	end := func(client int, call, back Call, offset int64) Op {
		return Op{Client: client, Kind: OpEnd, Offset: offset, Call: call, Return: back}
	}
	unknown := Op{Client: 9, Kind: OpAppend, Value: "u", Call: 3, Unknown: true}
	for _, c := range []struct {
		name  string
		ops   []Op
		log   []string
		stale bool
		fails bool
	}{
		{name: "one behind the other", ops: []Op{appended(1, 2, "a", 0), read(1, 3, 4, 0, "a"), end(1, 5, 6, 1)}, log: []string{"a"}},
		{name: "side by side", ops: []Op{appended(1, 6, "a", 0), read(1, 2, 3, 0), read(1, 4, 5, 0, "a")}, log: []string{"a"}},
		{name: "a read misses an acknowledged append", ops: []Op{appended(1, 2, "a", 0), read(1, 3, 4, 0)}, log: []string{"a"}, fails: true},
		{name: "which an old leader may", ops: []Op{appended(1, 2, "a", 0), read(1, 3, 4, 0)}, log: []string{"a"}, stale: true},
		{name: "an end misses an acknowledged append", ops: []Op{appended(1, 2, "a", 0), end(1, 3, 4, 0)}, log: []string{"a"}, fails: true},
		{name: "an end beyond all appends", ops: []Op{appended(1, 2, "a", 0), end(1, 3, 4, 2)}, log: []string{"a"}, stale: true, fails: true},
		{name: "a read of another value", ops: []Op{appended(1, 2, "a", 0), read(1, 3, 4, 0, "b")}, log: []string{"a"}, stale: true, fails: true},
		{name: "a read before the append", ops: []Op{read(1, 1, 2, 0, "a"), appended(3, 4, "a", 0)}, log: []string{"a"}, stale: true, fails: true},
		{name: "a value is gone again", ops: []Op{appended(1, 6, "a", 0), read(1, 2, 3, 0, "a"), read(1, 4, 5, 0)}, log: []string{"a"}, fails: true},
		{name: "two appends at one offset", ops: []Op{appended(1, 2, "a", 0), appended(3, 4, "b", 0)}, log: []string{"a", "b"}, fails: true},
		{name: "appends in the order of nobody", ops: []Op{appended(1, 2, "a", 1), appended(3, 4, "b", 0)}, log: []string{"b", "a"}, fails: true},
		{name: "an append without an answer that happened", ops: []Op{unknown, appended(1, 2, "a", 0), appended(7, 8, "b", 2)}, log: []string{"a", "u", "b"}},
		{name: "and one that did not", ops: []Op{unknown, appended(1, 2, "a", 0), appended(7, 8, "b", 1)}, log: []string{"a", "b"}},
		{name: "and one that happened before it was sent", ops: []Op{unknown, appended(1, 2, "a", 1)}, log: []string{"u", "a"}, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log []Record
			for i, v := range c.log {
				log = append(log, Record{int64(i), v})
			}
			wrong := Linearizable(c.ops, log, c.stale)
			if (wrong != "") != c.fails {
				t.Errorf("it says %q", wrong)
			}
		})
	}
}

func TestCopies(t *testing.T) {
	build := func(offset int64, epoch int32, values ...string) []byte {
		b := batch.NewBuilder(batch.BuilderOptions{})
		for _, v := range values {
			b.Append(time.Unix(0, 0).UnixMilli(), nil, []byte(v), nil)
		}
		raw := b.Build()
		batch.SetBaseOffset(raw, offset)
		batch.SetLeaderEpoch(raw, epoch)
		return raw
	}
	join := func(batches ...[]byte) []byte {
		var out []byte
		for _, b := range batches {
			out = append(out, b...)
		}
		return out
	}
	first, second := build(0, 1, "a", "b"), build(2, 1, "c")
	for _, c := range []struct {
		name          string
		one, other    []byte
		highWatermark int64
		want          string
	}{
		{"equal", join(first, second), join(first, second), 3, ""},
		{"both empty", nil, nil, 0, ""},
		{"one has more that is not committed", join(first, second), first, 2, ""},
		{"one lacks what is committed", join(first, second), first, 3, "broker 2 has records up to offset 2 only"},
		{"one has nothing", join(first, second), nil, 3, "broker 2 has records up to offset 0 only"},
		{"another value", join(first, second), join(first, build(2, 1, "d")), 3, "broker 1 has a batch of offsets 2 to 2"},
		{"another epoch", join(first, second), join(first, build(2, 2, "c")), 3, "epoch 2"},
		{"other batches of the same records", join(first, second), join(build(0, 1, "a"), build(1, 1, "b"), second), 3, "offsets 0 to 0"},
		{"one begins later", join(first, second), second, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Copies([]Copy{{1, c.one}, {2, c.other}}, 0, c.highWatermark)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("it says %q, want %q", got, c.want)
			}
		})
	}
}
