package netx

import (
	"context"
	"net"
)

// osNetwork is the network of the operating system.
type osNetwork struct {
	listen net.ListenConfig
	dial   net.Dialer
}

// OS returns the real network: TCP with keep-alive as package net sets it, and
// without Nagle's delay.
func OS() Network { return &osNetwork{} }

func (o *osNetwork) Listen(ctx context.Context, address string) (net.Listener, error) {
	return o.listen.Listen(ctx, "tcp", address)
}

func (o *osNetwork) Dial(ctx context.Context, address string) (net.Conn, error) {
	return o.dial.DialContext(ctx, "tcp", address)
}
