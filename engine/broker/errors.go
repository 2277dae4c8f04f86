package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// codeOf returns the protocol's error code for err, and the words that go with
// it where the protocol has a place for them; 0 and nil for nil. What is no
// error of the protocol is UNKNOWN_SERVER_ERROR and logged, and a wait that was given up
// REQUEST_TIMED_OUT.
func (b *Broker) codeOf(err error) (code int16, words *string) {
	if err == nil {
		return 0, nil
	}
	text := err.Error()
	var k *kerr.Error
	switch {
	case errors.As(err, &k):
		if k == err { //nolint:errorlint // words are wanted where there are more than kerr's own
			text = k.Description
		}
		return k.Code, &text
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return kerr.RequestTimedOut.Code, &text
	}
	b.log.Error("a request failed for a reason that the protocol has no error for", "err", err)
	return kerr.UnknownServerError.Code, &text
}
