package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Error is what the cluster, or the way to it, answered instead of a result.
// Its text is fit for a page.
type Error struct {
	Code int16  // Kafka's error code, 0 if the cluster did not answer
	Name string // Kafka's name of the code, such as TOPIC_ALREADY_EXISTS
	Text string // in words: the broker's own message if it sent one
	err  error
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// ErrUnknown tells that a topic, group or broker is not there.
var ErrUnknown = errors.New("not there")

// refused turns an error code and the broker's message for it into an error,
// nil for code 0.
func refused(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		return nil
	}
	e := &Error{Code: code, err: err}
	var known *kerr.Error
	if errors.As(err, &known) {
		e.Name, e.Text = known.Message, known.Description
	}
	if message != nil && *message != "" {
		e.Text = *message
	}
	if code == kerr.UnknownTopicOrPartition.Code || code == kerr.UnknownTopicID.Code || code == kerr.GroupIDNotFound.Code {
		e.err = errors.Join(ErrUnknown, err)
	}
	if e.Text == "" {
		e.Text = err.Error()
	}
	if e.Name != "" && !strings.Contains(e.Text, e.Name) {
		e.Text = strings.TrimSuffix(e.Text, ".") + " (" + e.Name + ")"
	}
	return e
}

// explain puts the failures of the way to the cluster into words; nil stays nil.
func explain(err error) error {
	var (
		own     *Error
		broker  *kerr.Error
		shards  *kadm.ShardErrors
		network *net.OpError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.As(err, &broker):
		return refused(broker.Code, nil)
	case errors.As(err, &shards) && len(shards.Errs) > 0:
		first := shards.Errs[0]
		return &Error{Text: fmt.Sprintf("broker %d: %v", first.Broker.NodeID, explain(first.Err)), err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Text: "the cluster did not answer in time", err: err}
	case errors.Is(err, context.Canceled):
		return &Error{Text: "the request was cancelled", err: err}
	case errors.As(err, &network) && network.Addr == nil:
		return &Error{Text: fmt.Sprintf("cannot reach the cluster: %v", network.Err), err: err}
	case errors.As(err, &network):
		return &Error{Text: fmt.Sprintf("cannot reach %v: %v", network.Addr, network.Err), err: err}
	case errors.Is(err, kgo.ErrClientClosed):
		return &Error{Text: "the console is closing", err: err}
	}
	return &Error{Text: err.Error(), err: err}
}
