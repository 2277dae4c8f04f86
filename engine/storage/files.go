package storage

import (
	"sync"
	"sync/atomic"

	"github.com/logarium/logarium/engine/vfs"
)

// defaultOpenFiles is how many older segments a cache keeps open.
const defaultOpenFiles = 128

// handle is an open file that several may use at once. It is closed when the
// last of them is done: a reader goes on while its segment is deleted.
type handle struct {
	file vfs.File
	refs atomic.Int64 // the first belongs to the segment
	used atomic.Bool  // since the cache's hand last passed
}

func newHandle(f vfs.File) *handle {
	h := &handle{file: f}
	h.refs.Store(1)
	return h
}

// acquire takes a reference; false if the file is closed already.
func (h *handle) acquire() bool {
	for {
		n := h.refs.Load()
		if n == 0 {
			return false
		}
		if h.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a reference back. The error is of the file's Close.
func (h *handle) release() error {
	if h.refs.Add(-1) > 0 {
		return nil
	}
	return h.file.Close()
}

// FileCache bounds how many files of older segments stay open, over all the
// logs that share it. Files in use are not closed under their users, so that
// there may be more for a moment. Active segments are not counted.
type FileCache struct {
	mu    sync.Mutex // never held during I/O; one log's lock may be held before it
	limit int
	open  []*segment // those that have a handle here, swept round by hand
	hand  int
}

// NewFileCache returns a cache of at most limit open files; 0: 128.
func NewFileCache(limit int) *FileCache {
	if limit <= 0 {
		limit = defaultOpenFiles
	}
	return &FileCache{limit: limit}
}

// add counts a segment's handle, and closes one that was not used for long if
// there are too many.
func (c *FileCache) add(s *segment) error {
	c.mu.Lock()
	if s.slot >= 0 {
		c.mu.Unlock()
		return nil
	}
	var victim *segment
	if len(c.open) >= c.limit {
		victim = c.sweep()
		c.take(victim)
	}
	s.slot = len(c.open)
	c.open = append(c.open, s)
	c.mu.Unlock()
	if victim == nil {
		return nil
	}
	return victim.letGo()
}

// sweep finds a segment that was not used since the hand last passed it.
func (c *FileCache) sweep() *segment {
	for range 2 * len(c.open) {
		c.hand = (c.hand + 1) % len(c.open)
		if h := c.open[c.hand].handle.Load(); h == nil || !h.used.Swap(false) {
			break
		}
	}
	return c.open[c.hand%len(c.open)]
}

// take removes a segment from the list.
func (c *FileCache) take(s *segment) {
	last := c.open[len(c.open)-1]
	c.open[s.slot] = last
	last.slot = s.slot
	c.open[len(c.open)-1] = nil
	c.open = c.open[:len(c.open)-1]
	s.slot = -1
}

// drop closes a segment's file and no longer counts it.
func (c *FileCache) drop(s *segment) error {
	c.mu.Lock()
	if s.slot >= 0 {
		c.take(s)
	}
	c.mu.Unlock()
	return s.letGo()
}

// forget no longer counts a segment's file, which stays open.
func (c *FileCache) forget(s *segment) {
	c.mu.Lock()
	if s.slot >= 0 {
		c.take(s)
	}
	c.mu.Unlock()
}
