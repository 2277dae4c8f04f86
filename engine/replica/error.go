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
	errClosed    = &problem{kerr.NotLeaderForPartition, "the broker is closing"}
	errDeleted   = &problem{kerr.UnknownTopicOrPartition, "the topic was deleted"}
	errNotLeader = &problem{kerr.NotLeaderForPartition, "another broker leads this partition"}
)
