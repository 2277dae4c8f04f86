package storage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// epochsFile holds the leader epochs, under Kafka's name for it.
const epochsFile = "leader-epoch-checkpoint"

// epochs is where each leader epoch begins, by the rules of KIP-101 and
// KIP-279. Both numbers rise from entry to entry. Guarded by the log's lock.
type epochs struct{ entries []epochStart }

type epochStart struct {
	epoch int32
	start int64
}

// assign notes that an epoch begins at an offset, unless it is known already.
// Entries that contradict it are dropped. It reports whether anything changed.
func (e *epochs) assign(epoch int32, start int64) bool {
	if epoch < 0 {
		return false
	}
	if n := len(e.entries); n > 0 && e.entries[n-1].epoch == epoch && e.entries[n-1].start <= start {
		return false
	}
	e.entries = slices.DeleteFunc(e.entries, func(x epochStart) bool { return x.epoch >= epoch || x.start >= start })
	e.entries = append(e.entries, epochStart{epoch, start})
	return true
}

// cutEnd forgets epochs that begin at or after an offset.
func (e *epochs) cutEnd(end int64) bool {
	n := len(e.entries)
	e.entries = slices.DeleteFunc(e.entries, func(x epochStart) bool { return x.start >= end })
	return len(e.entries) != n
}

// cutStart forgets epochs that end at or before an offset; the one it lies in
// begins there.
func (e *epochs) cutStart(start int64) bool {
	i := 0
	for i+1 < len(e.entries) && e.entries[i+1].start <= start {
		i++
	}
	if len(e.entries) == 0 || i == 0 && e.entries[0].start >= start {
		return false
	}
	e.entries = slices.Delete(e.entries, 0, i)
	e.entries[0].start = max(e.entries[0].start, start)
	return true
}

// end says where an epoch ends: the largest known epoch that is not above it,
// and the offset where the next begins; -1, -1 if that is unknown.
func (e *epochs) end(epoch int32, logEnd int64) (found int32, end int64) {
	n := len(e.entries)
	if epoch < 0 || n == 0 || epoch > e.entries[n-1].epoch {
		return -1, -1
	}
	i := 0 // the first above it
	for i < n && e.entries[i].epoch <= epoch {
		i++
	}
	switch i {
	case n:
		return epoch, logEnd
	case 0:
		return epoch, e.entries[0].start
	}
	return e.entries[i-1].epoch, e.entries[i].start
}

// at is the epoch of the record at an offset, -1 if unknown.
func (e *epochs) at(offset int64) int32 {
	for _, x := range slices.Backward(e.entries) {
		if x.start <= offset {
			return x.epoch
		}
	}
	return -1
}

// latest is the newest epoch, -1 if there is none.
func (e *epochs) latest() int32 {
	if len(e.entries) == 0 {
		return -1
	}
	return e.entries[len(e.entries)-1].epoch
}

func (e *epochs) encode() []string {
	lines := make([]string, len(e.entries))
	for i, x := range e.entries {
		lines[i] = fmt.Sprintf("%d %d", x.epoch, x.start)
	}
	return lines
}

func (e *epochs) decode(lines []string) error {
	var entries []epochStart
	for _, line := range lines {
		epoch, start, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(epoch, 10, 32)
		if err != nil {
			return fmt.Errorf("%w: %w", errBadCheckpoint, err)
		}
		at, err := strconv.ParseInt(start, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: %w", errBadCheckpoint, err)
		}
		x := epochStart{int32(n), at}
		if k := len(entries); n < 0 || at < 0 || k > 0 && (entries[k-1].epoch >= x.epoch || entries[k-1].start >= at) {
			return fmt.Errorf("%w: epochs out of order", errBadCheckpoint)
		}
		entries = append(entries, x)
	}
	e.entries = entries
	return nil
}

// saveEpochs writes the epochs if the log has a folder.
func (l *Log) saveEpochs() error {
	if !l.exists {
		return nil
	}
	return l.writeLater(epochsFile, encodeCheckpoint(l.epochs.encode()))
}

// SetEpoch notes that a leader's epoch begins at an offset, as a broker does
// when it becomes the leader.
func (l *Log) SetEpoch(epoch int32, startOffset int64) error {
	l.mu.lock()
	defer l.mu.unlock()
	if err := l.writable(); err != nil {
		return err
	}
	if !l.epochs.assign(epoch, startOffset) {
		return nil
	}
	if err := l.saveEpochs(); err != nil {
		return storageError("writing the leader epochs", err)
	}
	return nil
}

// EpochEnd says where a leader epoch ends (KIP-101, KIP-279): the largest known
// epoch that is not above it, and the offset where the next one begins or the
// log ends; -1, -1 if it is unknown.
func (l *Log) EpochEnd(epoch int32) (epochFound int32, endOffset int64) {
	l.mu.lock()
	defer l.mu.unlock()
	return l.epochs.end(epoch, l.end.Load())
}

// EpochAt is the leader epoch of the record at an offset, -1 if unknown.
func (l *Log) EpochAt(offset int64) int32 {
	l.mu.lock()
	defer l.mu.unlock()
	return l.epochs.at(offset)
}

// LatestEpoch is the newest leader epoch, -1 if there is none.
func (l *Log) LatestEpoch() int32 {
	l.mu.lock()
	defer l.mu.unlock()
	return l.epochs.latest()
}
