package message

import "github.com/logarium/logarium/server/kafka"

// maxWindow is the widest step back, in offsets.
const maxWindow = 8192

// windowBytes is how much a step back may hold before it is made narrower.
const windowBytes = 4 << 20

// maxIdle is how many fetches in a row may bring nothing.
const maxIdle = 3

// lane is one partition of a reading. It gives its records in offset order,
// ascending or, going back, descending: Kafka reads only forward, so a lane that
// goes back reads a window of offsets before it gives the last of them.
type lane struct {
	id         int32
	start, end int64 // of the partition, when the reading began
	back       bool
	opened     bool
	err        error

	// What the page covers: [low, high). Going on, high moves up; going back,
	// low moves down.
	low, high int64
	buf       []kafka.Record // read and not yet taken, in ascending order
	edge      int64          // [low, edge) resp. [edge, high) is read

	// Going back: the window that is being read, [winLow, edge).
	winLow, winNext, winSize, winBytes int64
	winBuf                             []kafka.Record

	idle int
}

func (l *lane) open(back bool, at, window int64) {
	l.back, l.opened = back, true
	l.low, l.high, l.edge = at, at, at
	l.winSize = max(window, 1)
	l.nextWindow()
}

// hungry tells whether nothing is left to take though there is more to read.
func (l *lane) hungry() bool {
	if l.err != nil || len(l.buf) > 0 {
		return false
	}
	if l.back {
		return l.edge > l.start
	}
	return l.edge < l.end
}

// want returns the offset to fetch next.
func (l *lane) want() int64 {
	if l.back {
		return l.winNext
	}
	return l.edge
}

// eat takes what was fetched and tells whether the lane came on.
func (l *lane) eat(got kafka.Fetched) bool {
	if got.Err != nil {
		l.err = got.Err
		return true
	}
	if got.Next <= l.want() {
		return false
	}
	l.idle = 0
	if l.back {
		l.eatBack(got)
		return true
	}
	l.buf = got.Records
	for i, r := range l.buf {
		if r.Offset >= l.end { // came after the reading began
			l.buf = l.buf[:i]
			break
		}
	}
	l.edge = min(got.Next, l.end)
	l.settle()
	return true
}

func (l *lane) eatBack(got kafka.Fetched) {
	for _, r := range got.Records {
		if r.Offset < l.edge {
			l.winBuf = append(l.winBuf, r)
		}
	}
	l.winNext = got.Next
	l.winBytes += got.Bytes
	if l.winNext >= l.edge {
		l.buf, l.edge = l.winBuf, l.winLow
		l.winSize = min(l.winSize*2, maxWindow)
		if l.winBytes > windowBytes/2 {
			l.winSize = max(l.winSize/4, 1)
		}
		l.nextWindow()
		l.settle()
		return
	}
	if l.winBytes > windowBytes && l.edge-l.winLow > 1 {
		l.winSize = max((l.edge-l.winLow)/4, 1)
		l.nextWindow()
	}
}

func (l *lane) nextWindow() {
	l.winLow = max(l.start, l.edge-l.winSize)
	l.winNext, l.winBytes, l.winBuf = l.winLow, 0, nil
}

// starve counts a fetch that brought nothing though there should be more.
func (l *lane) starve() {
	if l.idle++; l.idle >= maxIdle {
		l.err = &kafka.Error{Text: "the broker sends nothing for offsets that it says are there"}
	}
}

// peek returns the next record.
func (l *lane) peek() *kafka.Record {
	if l.back {
		return &l.buf[len(l.buf)-1]
	}
	return &l.buf[0]
}

// take returns the next record and moves on behind it.
func (l *lane) take() kafka.Record {
	r := *l.peek()
	if l.back {
		l.buf = l.buf[:len(l.buf)-1]
		l.low = r.Offset
	} else {
		l.buf = l.buf[1:]
		l.high = r.Offset + 1
	}
	l.settle()
	return r
}

// settle moves over offsets that hold no record, once all records before them
// are taken.
func (l *lane) settle() {
	if len(l.buf) > 0 {
		return
	}
	if l.back {
		l.low = l.edge
	} else {
		l.high = l.edge
	}
}

func (l *lane) span() Span {
	s := Span{Partition: l.id, From: l.low, Until: l.high, Start: l.start, End: l.end}
	if l.err != nil {
		s.Problem = l.err.Error()
	}
	return s
}
