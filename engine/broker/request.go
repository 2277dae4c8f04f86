package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/coordinator"
)

// handler answers one request. It runs on the connection's reader: it may
// append to a log, and must not wait for a disk's sync, the network, the
// controller or another client; park is for those.
type handler func(b *Broker, r *request) reply

// request is one decoded request.
type request struct {
	conn        *conn
	api         *api
	version     int16
	correlation int32
	clientID    string // client.id, "" where the client sent none
	software    string // name and version as the client said in ApiVersions, or ""
	body        kmsg.Request
	received    time.Time // when the whole frame was there
	frame       frame
}

// client describes the sender to the coordinators.
func (r *request) client() coordinator.Client {
	return coordinator.Client{ID: r.clientID, Host: "/" + hostOf(r.conn.nc.RemoteAddr()), Software: r.software}
}

// reply is what a handler says to its connection. See answer, park, noAnswer.
type reply struct {
	now   kmsg.Response
	later func(ctx context.Context) kmsg.Response
	bye   error
}

// answer replies at once.
func answer(resp kmsg.Response) reply { return reply{now: resp} }

// park replies with what fn returns. fn runs on the connection's writer when
// all earlier requests of the connection are answered, and may wait; ctx ends
// when the client is gone or the broker begins to close, after which fn returns
// soon. A nil response is no answer. The request and its body stay valid until
// fn returns.
func park(fn func(ctx context.Context) kmsg.Response) reply { return reply{later: fn} }

// noAnswer is for requests that get none (Produce with acks=0).
func noAnswer() reply { return reply{} }

// hangUp closes the connection after the answers to earlier requests.
func hangUp(why error) reply { return reply{bye: why} }
