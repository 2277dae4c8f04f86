package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/vfs"
)

// Errors of Append and Admit.
var (
	// ErrFailed wraps the error of the write or sync after which the journal
	// takes nothing more until the process is started again.
	ErrFailed = errors.New("the journal failed")
	// ErrFull says that the journal has no room and none came in time. What was
	// not admitted may be tried again.
	ErrFull = errors.New("the journal is full")
	// ErrClosed says that the journal is closed.
	ErrClosed = errors.New("the journal is closed")
)

// Config is what a Journal needs to open. FS is required.
type Config struct {
	FS vfs.FS // the journal's folder
	// SegmentBytes is the largest size of a segment file; default 16 MiB. The
	// first one is small, and each new one twice the size of the one before.
	SegmentBytes int64
	// MaxBytes is how much may be in use before Admit waits; default 256 MiB.
	// From a quarter of it on, Checkpoint is called to free segments.
	MaxBytes int64
	// MaxPending is how many bytes may wait for their sync before Admit waits;
	// default 32 MiB.
	MaxPending int64
	// FullWait is how long Admit waits at most; default 5 s.
	FullWait time.Duration
	// CheckpointInterval is the longest time that an entry is kept although
	// there is room; default 30 s.
	CheckpointInterval time.Duration
	// EachAlone syncs each entry on its own (durability always).
	EachAlone bool
	// Checkpoint syncs the logs of the marks' partitions on every running broker,
	// or says by an *Unsynced which cannot be synced. It is called by one
	// goroutine at a time. Without it nothing is ever released.
	Checkpoint func(ctx context.Context, marks []Mark) error
	Hub        *event.Hub   // nil: a new one
	Logger     *slog.Logger // nil: none
}

// Key names whose an entry is. Broker is the leader that wrote it.
type Key struct {
	Broker    int32
	Topic     [16]byte
	Partition int32
}

// Entry is what a leader appended: whole batches with the offsets [First, Next),
// as they are in its log.
type Entry struct {
	Key
	Epoch       int32 // leader epoch
	First, Next int64
	Batches     []byte
}

// Mark asks for a partition's log to be synced up to Next on every running
// broker.
type Mark struct {
	Key
	Next int64
}

// Unsynced is what Checkpoint returns when some of the marks cannot be synced
// for as long as their leader is down or its log failed. Their entries are kept,
// without counting against MaxBytes, until a later Checkpoint can.
type Unsynced struct {
	Marks []Mark
	Err   error
}

// Error implements error.
func (u *Unsynced) Error() string {
	return fmt.Sprintf("%d logs cannot be synced: %v", len(u.Marks), u.Err)
}

// Unwrap returns the cause.
func (u *Unsynced) Unwrap() error { return u.Err }

// Waiter is told when what it appended is durable.
type Waiter interface {
	// Journaled tells that all this waiter appended below next is durable, or,
	// with an error, that it is not and never will be. Calls come in the order
	// of the appends, several appends may be told by one call, and none blocks:
	// it is the goroutine that syncs.
	Journaled(next int64, err error)
}
