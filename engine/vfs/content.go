package vfs

import (
	"io"
	"io/fs"
	"sync"
	"time"
)

const (
	// chunkSize is the largest piece of a file in memory. A file grows by whole
	// chunks, so that appending never copies more than one.
	chunkSize = 256 << 10
	// chunkMin is the smallest first allocation of a chunk: a cluster has
	// thousands of files with almost nothing in them.
	chunkMin = 512
	// pageSize is the unit in which a kernel writes back what was not synced.
	pageSize = 4096
	// sectorSize is the unit that a disk writes whole or not at all.
	sectorSize = 512
)

// content is the bytes of one file in memory. It outlives its name: a removed
// file that is still open keeps working.
type content struct {
	mu     sync.RWMutex
	chunks [][]byte // each up to chunkSize long; what is missing at the end of one reads as zeros
	size   int64
	mod    time.Time
	dirty  *dirty // what a power cut may undo; nil when that is not tracked
}

// dirty is what has not been synced of one file.
type dirty struct {
	size  int64            // the synced length
	pages map[int64][]byte // synced content, up to pageSize bytes, of each page that was changed since, by page number
}

func newContent(track bool) *content {
	c := &content{mod: time.Now()}
	if track {
		c.dirty = &dirty{pages: map[int64][]byte{}}
	}
	return c
}

func (c *content) readAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.read(p, off)
}

// read is readAt under the lock.
func (c *content) read(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off >= c.size {
		return 0, io.EOF
	}
	var short error
	if int64(len(p)) > c.size-off {
		p, short = p[:c.size-off], io.EOF
	}
	c.fill(p, off)
	return len(p), short
}

// fill copies the bytes from off on; what the file does not have is zero.
func (c *content) fill(p []byte, off int64) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		i, within := at/chunkSize, int(at%chunkSize)
		part := p[n:min(len(p), n+chunkSize-within)]
		copied := 0
		if chunk := c.chunk(i); within < len(chunk) {
			copied = copy(part, chunk[within:])
		}
		clear(part[copied:])
		n += len(part)
	}
}

func (c *content) chunk(i int64) []byte {
	if i >= int64(len(c.chunks)) {
		return nil
	}
	return c.chunks[i]
}

func (c *content) writeAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepPages(off, off+int64(len(p)))
	c.write(p, off)
	c.mod = time.Now()
	return len(p), nil
}

// write is writeAt under the lock, without regard to what is synced.
func (c *content) write(p []byte, off int64) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		i, within := at/chunkSize, int(at%chunkSize)
		part := p[n:min(len(p), n+chunkSize-within)]
		for i >= int64(len(c.chunks)) {
			c.chunks = append(c.chunks, nil)
		}
		c.chunks[i] = growChunk(c.chunks[i], within+len(part))
		copy(c.chunks[i][within:], part)
		n += len(part)
	}
	c.size = max(c.size, off+int64(len(p)))
}

// growChunk returns the chunk with at least the length given, new bytes zero.
func growChunk(chunk []byte, length int) []byte {
	if length <= len(chunk) {
		return chunk
	}
	if length <= cap(chunk) {
		return chunk[:length]
	}
	grown := make([]byte, length, min(chunkSize, max(chunkMin, 2*cap(chunk), length)))
	copy(grown, chunk)
	return grown
}

func (c *content) truncate(size int64) error {
	if size < 0 {
		return fs.ErrInvalid
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepPages(size, c.size)
	c.cut(size)
	c.mod = time.Now()
	return nil
}

// cut sets the length, without regard to what is synced. Bytes past it are
// dropped, so that a file that grows again reads zeros there.
func (c *content) cut(size int64) {
	if size < c.size {
		whole, within := size/chunkSize, int(size%chunkSize)
		if whole < int64(len(c.chunks)) {
			if chunk := c.chunks[whole]; within < len(chunk) {
				clear(chunk[within:])
				c.chunks[whole] = chunk[:within]
			}
			last := whole
			if within > 0 {
				last++
			}
			clear(c.chunks[last:])
			c.chunks = c.chunks[:last]
		}
	}
	c.size = size
}

// keepPages remembers the synced content of the pages that hold [from, to),
// before they change for the first time since the last sync.
func (c *content) keepPages(from, to int64) {
	if c.dirty == nil {
		return
	}
	for page := from / pageSize; page*pageSize < to; page++ {
		if _, kept := c.dirty.pages[page]; kept {
			continue
		}
		var old []byte
		if length := min(pageSize, c.dirty.size-page*pageSize); length > 0 {
			old = make([]byte, length)
			c.fill(old, page*pageSize)
		}
		c.dirty.pages[page] = old
	}
}

// sync makes the present state the one that a power cut leaves.
func (c *content) sync() {
	if c.dirty == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty.size = c.size
	clear(c.dirty.pages)
}

func (c *content) length() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.size
}

func (c *content) info() Info {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return Info{Size: c.size, ModTime: c.mod}
}
