package metadata

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Error is a refusal that a client can be told: the protocol's code, found by
// errors.As or errors.Is, and words for a person.
type Error struct {
	Code    *kerr.Error
	Message string
}

// Refuse returns an Error with formatted words.
func Refuse(code *kerr.Error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error returns the words.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the protocol's code.
func (e *Error) Unwrap() error { return e.Code }
