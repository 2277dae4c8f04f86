package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// guard says what is wrong with the lengths and counts of a request's body.
func (b *Broker) guard(a *api, req kmsg.Request, body []byte) error { return nil }
