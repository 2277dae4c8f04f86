package broker

import "time"

// Limits bound what clients may ask of one broker. A zero field takes the
// default that its comment names; Kafka's name follows where it has one.
type Limits struct {
	// MaxRequestBytes is the largest frame (socket.request.max.bytes); default
	// 100 MiB, which clients take for granted. Only a Produce may be so large:
	// the table of APIs has a limit for each. No memory is taken before bytes
	// have arrived; see QueuedRequestBytes.
	MaxRequestBytes int
	// QueuedRequestBytes is how much memory the frames of all connections may
	// take above 64 KiB for each connection (queued.max.request.bytes); default
	// 128 MiB, at least MaxRequestBytes. A connection that gets no more stops
	// reading until others are done.
	QueuedRequestBytes int
	// MaxConnections (max.connections), default 12,000, and
	// MaxConnectionsPerIP (max.connections.per.ip), default as MaxConnections:
	// a connection above them is closed at once.
	MaxConnections, MaxConnectionsPerIP int
	// MaxInFlightPerConn is how many requests of one connection may wait for
	// their answers before the next is not read; default 128.
	MaxInFlightPerConn int
	// IdleTimeout closes a connection that asks nothing and waits for nothing
	// (connections.max.idle.ms); default 10 min.
	IdleTimeout time.Duration
	// FrameTimeout is how long a frame may take to arrive after its first
	// byte, plus a second for each MinFrameRate bytes of it; default 30 s.
	FrameTimeout time.Duration
	// MinFrameRate in bytes a second; default 256 KiB/s.
	MinFrameRate int
	// WriteTimeout closes a connection that takes no byte of an answer for so
	// long, give or take a quarter; default 30 s.
	WriteTimeout time.Duration
	// FetchSessions is how many incremental fetch sessions (KIP-227) are kept
	// (max.incremental.fetch.session.cache.slots); default 1000.
	FetchSessions int
	// FetchSessionMinEviction is for how long an unused session is safe from
	// eviction (min.incremental.fetch.session.eviction.ms); default 2 min.
	FetchSessionMinEviction time.Duration
	// FetchMaxBytes bounds one Fetch answer (fetch.max.bytes); default 55 MiB.
	FetchMaxBytes int
	// MaxElements bounds the elements of all arrays of one request together
	// (topics, partitions, names …); default 50,000.
	MaxElements int
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.MaxRequestBytes, 100*mib)
	orDefault(&l.QueuedRequestBytes, 128*mib)
	l.QueuedRequestBytes = max(l.QueuedRequestBytes, l.MaxRequestBytes)
	orDefault(&l.MaxConnections, 12_000)
	orDefault(&l.MaxConnectionsPerIP, l.MaxConnections)
	orDefault(&l.MaxInFlightPerConn, 128)
	orDefault(&l.IdleTimeout, 10*time.Minute)
	orDefault(&l.FrameTimeout, 30*time.Second)
	orDefault(&l.MinFrameRate, 256*kib)
	orDefault(&l.WriteTimeout, 30*time.Second)
	orDefault(&l.FetchSessions, 1000)
	orDefault(&l.FetchSessionMinEviction, 2*time.Minute)
	orDefault(&l.FetchMaxBytes, 55*mib)
	orDefault(&l.MaxElements, 50_000)
	return l
}
