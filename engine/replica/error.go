package replica

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrForeign is what Apply returns, having done nothing, for a data folder that
// belongs to another cluster or broker.
var ErrForeign = errors.New("the data folder is another's")

// problem is a protocol error with words of its own. errors.As finds the
// *kerr.Error.
type problem struct {
	code  *kerr.Error
	words string
}

func (p *problem) Error() string { return p.words }
func (p *problem) Unwrap() error { return p.code }

// errClosed is what waits at the end of a Set or a leadership gets.
var (
	errTooFew      = &problem{kerr.NotEnoughReplicas, "fewer replicas are in sync than min.insync.replicas asks for; nothing was written"}
	errTooFewAfter = &problem{kerr.NotEnoughReplicasAfterAppend, "the records are written, but fewer replicas are in sync than min.insync.replicas asks for"}

	errClosed    = &problem{kerr.NotLeaderForPartition, "the broker is closing"}
	errDeleted   = &problem{kerr.UnknownTopicOrPartition, "the topic was deleted"}
	errNotLeader = &problem{kerr.NotLeaderForPartition, "another broker leads this partition"}
)

// asProtocol finds the protocol's error in err.
func asProtocol(err error) (*kerr.Error, bool) {
	var k *kerr.Error
	return k, errors.As(err, &k)
}

// storageError is the answer of a log that failed.
func storageError(err error) error {
	return &problem{kerr.KafkaStorageError, err.Error()}
}
