package bench

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ledger knows of each record of a run whether it was acknowledged, by producer and partition. Safe for concurrent
// use.
type ledger struct {
	run   uint64
	lanes [][]lane // [producer][partition]
}

// lane is one producer's records to one partition, in the order of their sequence.
type lane struct {
	mu    sync.Mutex
	acked bitset
	count int64
	sum   uint64
}

func newLedger(run uint64, producers int, partitions int32) *ledger {
	l := &ledger{run: run, lanes: make([][]lane, producers)}
	for i := range l.lanes {
		l.lanes[i] = make([]lane, partitions)
	}
	return l
}

// ack notes that a record was acknowledged; sum is its checksum.
func (l *ledger) ack(s stamp, sum uint32) {
	ln := &l.lanes[s.producer][s.partition]
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.acked.set(s.sequence)
	ln.count++
	ln.sum += mix(s, sum)
}

func (l *ledger) total() (records int64) {
	for p := range l.lanes {
		for q := range l.lanes[p] {
			ln := &l.lanes[p][q]
			ln.mu.Lock()
			records += ln.count
			ln.mu.Unlock()
		}
	}
	return records
}

// mix makes a record's part of an order-free checksum: its content, and where it belongs.
func mix(s stamp, sum uint32) uint64 {
	x := s.run ^ uint64(s.producer)<<40 ^ uint64(s.partition)<<48 ^ s.sequence<<8 ^ uint64(sum)<<16
	x *= 0x9e3779b97f4a7c15
	return x ^ x>>29
}

// bitset grows as it is set.
type bitset []uint64

func (b *bitset) set(i uint64) (was bool) {
	for i/64 >= uint64(len(*b)) {
		*b = append(*b, 0)
	}
	word, bit := &(*b)[i/64], uint64(1)<<(i%64)
	was = *word&bit != 0
	*word |= bit
	return was
}

func (b bitset) word(i int) uint64 {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// Verdict is what reading a run back showed. A record that was not acknowledged may be there all the same (its
// answer was lost): that is no fault.
type Verdict struct {
	OK         bool  `json:"ok"`
	Acked      int64 `json:"acked"`
	Consumed   int64 `json:"consumed"`
	Lost       int64 `json:"lost"`
	Duplicates int64 `json:"duplicates"`
	Disordered int64 `json:"out_of_order"`
	Corrupt    int64 `json:"corrupt"`
	Unacked    int64 `json:"present_but_not_acknowledged"`
	Foreign    int64 `json:"of_other_runs"`
	Checksum   bool  `json:"checksum_equal"`
}

// verifier compares what is read with a ledger. One goroutine uses it.
type verifier struct {
	led     *ledger
	seen    [][]seenLane
	verdict Verdict
}

type seenLane struct {
	bits  bitset
	sums  map[uint64]uint64 // of records that were not (yet) acknowledged when read
	next  uint64            // one past the highest sequence read
	sum   uint64
	count int64
}

func newVerifier(l *ledger) *verifier {
	v := &verifier{led: l, seen: make([][]seenLane, len(l.lanes))}
	for i := range v.seen {
		v.seen[i] = make([]seenLane, len(l.lanes[i]))
	}
	return v
}

// maxSequence bounds what a corrupt or hostile value can make the bitset grow to (64 MiB a lane).
const maxSequence = 1 << 29

// record takes one record as it was read. It returns its stamp, and whether it is of this run and intact.
func (v *verifier) record(r *kgo.Record) (stamp, bool) {
	s, sum, mine, intact := parseStamp(r.Value)
	if !mine || (intact && s.run != v.led.run) {
		v.verdict.Foreign++
		return s, false
	}
	if !intact || int(s.producer) >= len(v.seen) || int(s.partition) >= len(v.seen[s.producer]) ||
		int32(s.partition) != r.Partition || s.sequence >= maxSequence {
		v.verdict.Corrupt++
		return s, false
	}
	ln := &v.seen[s.producer][s.partition]
	if ln.bits.set(s.sequence) {
		v.verdict.Duplicates++
		return s, true
	}
	if s.sequence < ln.next {
		v.verdict.Disordered++
	}
	ln.next = max(ln.next, s.sequence+1)
	ln.count++
	ln.sum += mix(s, sum)
	v.verdict.Consumed++
	if !v.led.isAcked(s) {
		if ln.sums == nil {
			ln.sums = map[uint64]uint64{}
		}
		ln.sums[s.sequence] = mix(s, sum)
	}
	return s, true
}

func (l *ledger) isAcked(s stamp) bool {
	ln := &l.lanes[s.producer][s.partition]
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.acked.word(int(s.sequence/64))&(1<<(s.sequence%64)) != 0
}

// finish gives the verdict; call it once, when all was read and every acknowledgement is in the ledger.
func (v *verifier) finish() Verdict {
	out := v.verdict
	out.Checksum = true
	for p := range v.seen {
		for q := range v.seen[p] {
			v.finishLane(&out, p, q)
		}
	}
	out.OK = out.Lost == 0 && out.Duplicates == 0 && out.Disordered == 0 && out.Corrupt == 0 && out.Checksum
	return out
}

func (v *verifier) finishLane(out *Verdict, producer, partition int) {
	got, want := &v.seen[producer][partition], &v.led.lanes[producer][partition]
	want.mu.Lock()
	defer want.mu.Unlock()
	out.Acked += want.count
	sum := got.sum
	var lost int64
	for w := range max(len(want.acked), len(got.bits)) {
		lost += int64(bits.OnesCount64(want.acked.word(w) &^ got.bits.word(w)))
		extra := got.bits.word(w) &^ want.acked.word(w)
		out.Unacked += int64(bits.OnesCount64(extra))
		for ; extra != 0; extra &= extra - 1 {
			sum -= got.sums[uint64(w)*64+uint64(bits.TrailingZeros64(extra))]
		}
	}
	out.Lost += lost
	if lost == 0 && sum != want.sum {
		out.Checksum = false
	}
}
