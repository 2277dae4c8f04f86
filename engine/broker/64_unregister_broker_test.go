package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestUnregisterBroker(t *testing.T) {
	n := startNode(t, nodeOptions{others: 2})
	r := n.dial()
	ask := func(id int32) *kmsg.UnregisterBrokerResponse {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = id
		return r.ask(req).(*kmsg.UnregisterBrokerResponse)
	}
	if got := ask(3); got.ErrorCode != 0 {
		t.Errorf("%d %v", got.ErrorCode, got.ErrorMessage)
	}
	if _, ok := n.controller.Image().Broker(3); ok {
		t.Error("the broker is still registered")
	}
	if got := ask(77); got.ErrorCode != 102 || !strings.HasPrefix(*got.ErrorMessage, "Broker ID 77 is not currently registered") {
		t.Errorf("an unknown broker: %d %q", got.ErrorCode, *got.ErrorMessage)
	}
}
