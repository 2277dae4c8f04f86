package controller

import (
	"context"
	"sync/atomic"

	"github.com/logarium/logarium/engine/metadata"
)

// Controller is one voter of the metadata quorum. Its methods may be called
// from any goroutine.
type Controller struct {
	image atomic.Pointer[metadata.Image]
}

// Open opens the metadata log and starts the voter. A single voter is elected
// and has registered its brokers when Open returns.
func Open(ctx context.Context, cfg Config) (*Controller, error) { panic("soon") }

// Close ends the voter. Requests that wait are answered with NOT_CONTROLLER.
func (c *Controller) Close() error { return nil }

// Image returns the newest image.
func (c *Controller) Image() *metadata.Image { return c.image.Load() }

// Watch calls fn for each change of the image, in order, after the change is
// committed and before its requester gets the answer; first, before Watch
// returns, with the present image and a delta of everything. fn runs on the
// controller's goroutine: it must be quick and must not call the controller.
func (c *Controller) Watch(fn func(*metadata.Image, *metadata.Delta)) {}

// Receive takes a message that another voter sent.
func (c *Controller) Receive(message []byte) error { return nil }

func call[R any](ctx context.Context, c *Controller, cmd any, failed func(error) R) R {
	return failed(context.Canceled)
}
