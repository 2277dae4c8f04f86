package storage

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/logarium/logarium/engine/vfs"
)

// Remover deletes files that no log needs any more on a goroutine of its own:
// deleting a large one takes the disk long. What it has not come to when the
// process ends is deleted when the log, or its broker, is opened next.
type Remover struct {
	logger *slog.Logger
	wakeup chan struct{} // one token
	done   sync.WaitGroup

	mu     sync.Mutex // never held during a deletion
	queue  []removal
	closed bool
}

// removal is a file or folder to delete.
type removal struct {
	disk vfs.FS
	name string
}

// StartRemover starts one; logger may be nil.
func StartRemover(logger *slog.Logger) *Remover {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	r := &Remover{logger: logger, wakeup: make(chan struct{}, 1)}
	r.done.Go(r.run)
	return r
}

// Close deletes what is left and ends the goroutine.
func (r *Remover) Close() {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if !closed {
		close(r.wakeup)
	}
	r.done.Wait()
}

// remove deletes a file or a folder soon, whatever has its name by then; at once
// if there is no remover or it was closed.
func (r *Remover) remove(disk vfs.FS, name string) error {
	if r == nil || !r.enqueue(removal{disk, name}) {
		return disk.RemoveAll(name)
	}
	return nil
}

func (r *Remover) enqueue(x removal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.queue = append(r.queue, x)
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
	return true
}

func (r *Remover) run() {
	for more := true; more; {
		_, more = <-r.wakeup
		for x, ok := r.next(); ok; x, ok = r.next() {
			if err := x.disk.RemoveAll(x.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				r.logger.Warn("what is no longer needed stays on disk until the next start", "file", x.name, "err", err)
			}
		}
	}
}

func (r *Remover) next() (x removal, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return x, false
	}
	x = r.queue[0]
	r.queue = r.queue[1:]
	return x, true
}
