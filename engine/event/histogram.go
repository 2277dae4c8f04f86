package event

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Stage names what a latency histogram measures.
type Stage int

// The stages.
const (
	StageProduce Stage = iota // from the whole Produce request read to its answer
	StageCommit               // from the append to the high watermark passing it
	StageDeliver              // from the append to the first Fetch answer that carries it
	StageCount
)

// String returns the stage's name.
func (s Stage) String() string {
	return [...]string{"produce", "commit", "deliver"}[s]
}

// The histogram is log-linear: up to 2^linearBits µs each value has its own
// bucket, above that each power of two is cut into 2^(linearBits-1) buckets,
// so a bucket is never wider than 1/64 of its value.
const (
	linearBits = 7
	half       = 1 << (linearBits - 1)
	maxMicros  = 60_000_000
	// BucketCount is the number of buckets; the last one holds all above 60 s.
	BucketCount = (27-linearBits+1)*half + half
)

// Histogram counts latencies from 1 µs to 60 s with two significant digits.
// Two histograms merge by adding their counts.
type Histogram struct {
	counts [BucketCount]atomic.Uint64
	sum    atomic.Uint64 // µs
	max    atomic.Uint64 // µs
}

func bucketOf(us uint64) int {
	if us > maxMicros {
		us = maxMicros
	}
	if us < 1<<linearBits {
		return int(us)
	}
	shift := bits.Len64(us) - linearBits
	return shift*half + int(us>>shift)
}

// BucketFloor returns the smallest latency in µs that bucket i counts.
func BucketFloor(i int) uint64 {
	if i < 1<<linearBits {
		return uint64(i)
	}
	shift := i/half - 1
	return uint64(i-shift*half) << shift
}

// Record counts one latency.
func (h *Histogram) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN counts n equal latencies.
func (h *Histogram) RecordN(d time.Duration, n uint64) {
	us := uint64(max(d.Microseconds(), 0))
	h.counts[bucketOf(us)].Add(n)
	h.sum.Add(us * n)
	for {
		m := h.max.Load()
		if us <= m || h.max.CompareAndSwap(m, us) {
			return
		}
	}
}

// Snapshot copies the counts since the start of the process into dst, which
// has BucketCount elements. The difference of two snapshots is the histogram
// of the time between them.
func (h *Histogram) Snapshot(dst []uint64) {
	for i := range h.counts {
		dst[i] = h.counts[i].Load()
	}
}

// Quantile returns the q-quantile (0 to 1) in µs of counts as Snapshot gives
// them (or of the difference of two), and their number. The value is the upper
// edge of the bucket that holds the quantile; 0 if there are no counts.
func Quantile(counts []uint64, q float64) (us, n uint64) {
	for _, c := range counts {
		n += c
	}
	if n == 0 {
		return 0, 0
	}
	rank := uint64(q * float64(n))
	if rank >= n {
		rank = n - 1
	}
	var seen uint64
	for i, c := range counts {
		seen += c
		if seen > rank {
			if i+1 < len(counts) && i >= 1<<linearBits {
				return BucketFloor(i+1) - 1, n
			}
			return BucketFloor(i), n
		}
	}
	return maxMicros, n
}
