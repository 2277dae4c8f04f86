package check

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// OpKind is what a client did with a partition.
type OpKind uint8

// The kinds.
const (
	OpAppend OpKind = iota // one record, once; Offset is where it was acknowledged
	OpRead                 // from Offset; Values is what came
	OpEnd                  // ListOffsets latest; Offset is the answer
)

// Op is one call of a client on a partition and its answer.
type Op struct {
	Client int // one call at a time
	Kind   OpKind
	Value  string // of an append
	Offset int64
	Values []string
	// Call and Return order the operations. Unknown: no answer came, or a
	// failure that tells nothing: an append may have happened at any time from
	// Call on, and other operations are as if they were not.
	Call, Return Call
	Unknown      bool
}

// String returns the operation with its answer.
func (o Op) String() string {
	switch o.Kind {
	case OpAppend:
		return fmt.Sprintf("append(%s) = %d", o.Value, o.Offset)
	case OpRead:
		return fmt.Sprintf("read(%d) = %v", o.Offset, o.Values)
	}
	return fmt.Sprintf("end() = %d", o.Offset)
}

// list is the state of a partition in the eyes of the model: its values, each
// with a newline.
type list struct {
	length int64
	values string
}

// Linearizable says whether operations on a partition, to which nobody else
// wrote, can be those of one append-only list, each done at a moment between
// its call and its answer. log is what was in the partition at the end, from
// offset 0. With stale, an end offset or an empty read may be an old one, as
// from a leader that does not know yet that it is none: Kafka's leaders have
// no leases. It returns what is wrong, or "".
func Linearizable(ops []Op, log []Record, stale bool) string {
	var history []porcupine.Operation
	for _, op := range ops {
		if op.Unknown {
			at := slices.IndexFunc(log, func(r Record) bool { return r.Value == op.Value })
			if op.Kind != OpAppend || at < 0 {
				continue
			}
			op.Offset, op.Return = log[at].Offset, math.MaxInt64
		}
		history = append(history, porcupine.Operation{ClientId: op.Client, Input: op, Call: int64(op.Call), Output: op, Return: int64(op.Return)})
	}
	switch porcupine.CheckOperationsTimeout(listModel(stale), history, time.Minute) {
	case porcupine.Ok:
		return ""
	case porcupine.Unknown:
		return fmt.Sprintf("the history of %d operations is too large to be checked", len(history))
	}
	lines := make([]string, 0, len(history))
	for _, h := range history {
		lines = append(lines, fmt.Sprintf("client %d [%d, %d] %v", h.ClientId, h.Call, h.Return, h.Input))
	}
	return "these are not operations of one list:\n" + strings.Join(lines, "\n")
}

func listModel(stale bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return list{} },
		Step: func(state, input, _ any) (bool, any) {
			l, op := state.(list), input.(Op)
			switch op.Kind {
			case OpAppend:
				return op.Offset == l.length, list{l.length + 1, l.values + op.Value + "\n"}
			case OpEnd:
				return op.Offset == l.length || stale && op.Offset < l.length, l
			}
			if len(op.Values) == 0 {
				return op.Offset >= l.length || stale, l
			}
			have := strings.Split(strings.TrimSuffix(l.values, "\n"), "\n")
			end := op.Offset + int64(len(op.Values))
			return end <= l.length && slices.Equal(have[op.Offset:end], op.Values), l
		},
	}
}
