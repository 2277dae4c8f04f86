package check

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/logarium/logarium/engine/batch"
)

// Copy is a replica's log as it is on its disk.
type Copy struct {
	Broker int32
	Log    []byte // the segments' bytes one behind the other
}

// Copies holds the replicas of a partition against each other: from the
// highest of their first offsets up to a high watermark all batches must be
// the same bytes. It returns what is wrong, or "".
func Copies(copies []Copy, from, highWatermark int64) string {
	type split struct {
		broker  int32
		batches [][]byte
	}
	var logs []split
	for _, c := range copies {
		s := split{broker: c.Broker}
		for b := range batch.Split(c.Log) {
			base, last, _, _ := batch.Extent(b)
			if last >= from && base < highWatermark {
				s.batches = append(s.batches, b)
			}
		}
		if len(s.batches) > 0 {
			base, _, _, _ := batch.Extent(s.batches[0])
			from = max(from, base)
		}
		logs = append(logs, s)
	}
	for i := range logs {
		logs[i].batches = slices.DeleteFunc(logs[i].batches, func(b []byte) bool {
			_, last, _, _ := batch.Extent(b)
			return last < from
		})
		if end := endOf(logs[i].batches, from); end < highWatermark {
			return fmt.Sprintf("broker %d has records up to offset %d only, %d are committed", logs[i].broker, end, highWatermark)
		}
	}
	for i := 1; i < len(logs); i++ {
		for n := range max(len(logs[0].batches), len(logs[i].batches)) {
			var a, b []byte
			if n < len(logs[0].batches) {
				a = logs[0].batches[n]
			}
			if n < len(logs[i].batches) {
				b = logs[i].batches[n]
			}
			if !bytes.Equal(a, b) {
				return fmt.Sprintf("broker %d has %s where broker %d has %s", logs[0].broker, describe(a), logs[i].broker, describe(b))
			}
		}
	}
	return ""
}

func endOf(batches [][]byte, empty int64) int64 {
	if len(batches) == 0 {
		return empty
	}
	_, last, _, _ := batch.Extent(batches[len(batches)-1])
	return last + 1
}

// describe names a batch.
func describe(b []byte) string {
	h, err := batch.ParseHeader(b)
	if err != nil {
		return "nothing"
	}
	return fmt.Sprintf("a batch of offsets %d to %d, epoch %d, producer %d, CRC %08x", h.BaseOffset, h.LastOffset(), h.LeaderEpoch, h.ProducerID, h.CRC)
}

// End returns the offset after the last batch of a log's bytes, 0 if there is none.
func End(log []byte) int64 {
	var all [][]byte
	for b := range batch.Split(log) {
		all = append(all, b)
	}
	return endOf(all, 0)
}
