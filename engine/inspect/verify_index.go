package inspect

import (
	"github.com/logarium/logarium/engine/storage"
)

// indexCheck holds an index file of a segment against the scan.
type indexCheck struct {
	*segmentCheck
	kind    storage.FileKind
	file    storage.LogFile
	present bool
	index   storage.IndexFile
	next    int // entry that the scan has not reached
	broken  bool
}

func (x *indexCheck) check() Check {
	if x.kind == storage.FileTimeIndex {
		return CheckTimeIndex
	}
	return CheckIndex
}

// severity is that of a fault in an index: a cache, which a crash may leave
// behind the segment's last part.
func (x *indexCheck) severity() Severity {
	if !x.last && x.before <= x.point {
		return Problem
	}
	return x.harsh(x.log.broker)
}

func (x *indexCheck) fault(format string, args ...any) {
	if !x.broken {
		x.finding(x.severity(), x.check(), x.file.Name, format, args...)
	}
	x.broken = true
}

// load reads the index before the scan.
func (x *indexCheck) load() {
	if !x.present {
		x.broken = true
		if !x.last || x.harsh(x.log.broker) == Problem {
			x.finding(x.severity(), x.check(), x.segmentCheck.file.Name, "the segment has no %s", x.kind)
		}
		return
	}
	var err error
	if x.index, err = storage.ReadIndexFile(x.fs, x.log.dir, x.file); err != nil {
		x.fault("%v", err)
	}
}

// batch holds an entry against the batch that the cursor is at.
func (x *indexCheck) batch(c *cursor) {
	if x.broken || x.next >= len(x.index.Entries) {
		return
	}
	e := &x.index.Entries[x.next]
	if e.Offset > c.header.BaseOffset || e.Offset == c.header.BaseOffset && c.pos < e.Position {
		return
	}
	switch {
	case e.Offset < c.header.BaseOffset:
		x.fault("an entry is of offset %d, where no batch begins", e.Offset)
	case x.kind == storage.FileTimeIndex && e.Timestamp != x.maxTimestamp:
		x.fault("the timestamps before offset %d are %d at most, the entry says %d", e.Offset, x.maxTimestamp, e.Timestamp)
	case x.kind == storage.FileIndex && e.Position != c.pos:
		x.fault("the batch at offset %d begins at byte %d, the entry says %d", e.Offset, c.pos, e.Position)
	}
	x.next++
}

// finish holds the head of the index against the scan.
func (x *indexCheck) finish() {
	if x.broken || x.segmentCheck.damaged {
		return
	}
	i := &x.index
	if x.last && x.severity() == Note && i.Bytes < x.size {
		return // written at an earlier stop, or roll; the segment has grown since
	}
	if x.next < len(i.Entries) {
		x.fault("an entry is of offset %d, where no batch begins", i.Entries[x.next].Offset)
		return
	}
	type head struct {
		base, bytes, end, maxTimestamp, at, first, position int64
		crc                                                 uint32
	}
	says := head{i.Base, i.Bytes, i.End, i.MaxTimestamp, i.MaxTimestampAt, i.FirstTimestamp, i.LastPosition, i.LastCRC}
	found := head{x.segmentCheck.file.Offset, x.size, x.end, x.maxTimestamp, x.maxTimestampAt, x.firstTimestamp, x.lastPosition, x.lastCRC}
	if says != found {
		x.fault("it is of other batches than the segment has: it says %+v, a scan gives %+v", says, found)
	}
}
