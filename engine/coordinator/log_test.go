package coordinator

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
)

// memLog is a Log in memory. What is appended is committed at once, unless
// held is set; then commit or lose decides.
type memLog struct {
	mu      sync.Mutex
	data    []byte
	next    int64
	hw      int64
	batches int
	held    bool
	refuse  error // what Append answers
	gate    chan struct{}
	waiting []waiter
}

type waiter struct {
	offset int64
	fn     func(error)
}

// Append implements Log.
func (l *memLog) Append(b []byte) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return 0, l.refuse
	}
	h, err := batch.Validate(b, batch.Limits{MaxBytes: 1 << 20, RequireKeys: true})
	if err != nil {
		return 0, err
	}
	batch.SetBaseOffset(b, l.next)
	l.data = append(l.data, b...)
	l.next += int64(h.NumRecords)
	l.batches++
	if !l.held {
		l.hw = l.next
	}
	return l.next - 1, nil
}

// Notify implements Log.
func (l *memLog) Notify(offset int64, fn func(error)) {
	l.mu.Lock()
	if offset >= l.hw {
		l.waiting = append(l.waiting, waiter{offset, fn})
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	fn(nil)
}

// Read implements Log. A log with a gate reads when the gate is closed.
func (l *memLog) Read(dst []byte, from int64, maxBytes int) ([]byte, error) {
	if l.gate != nil {
		<-l.gate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := len(dst)
	for b := range batch.Split(l.data) {
		h, err := batch.ParseHeader(b)
		if err != nil {
			return dst, err
		}
		if h.LastOffset() >= from && (len(dst) == at || len(dst)-at+len(b) <= maxBytes) {
			dst = append(dst, b...)
		}
	}
	return dst, nil
}

// Start implements Log.
func (l *memLog) Start() int64 { return 0 }

// End implements Log.
func (l *memLog) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

func (l *memLog) hold(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = on
}

func (l *memLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

// commit moves the high watermark to the end.
func (l *memLog) commit() { l.settle(nil) }

// lose tells all who wait that their records will never be committed.
func (l *memLog) lose() { l.settle(kerr.NotLeaderForPartition) }

func (l *memLog) settle(err error) {
	l.mu.Lock()
	if err == nil {
		l.hw = l.next
	}
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	slices.Reverse(waiting) // no order is promised
	for _, w := range waiting {
		w.fn(err)
	}
}
