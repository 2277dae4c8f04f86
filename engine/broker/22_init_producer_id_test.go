package broker

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/vfs"
)

func (r *raw) producerID(version int16) int64 {
	r.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.ProducerID, req.ProducerEpoch = version, -1, -1
	got := r.ask(req).(*kmsg.InitProducerIDResponse)
	if got.ErrorCode != 0 || got.ProducerEpoch != 0 || got.ProducerID < 0 {
		r.t.Fatalf("version %d: %+v", version, got)
	}
	return got.ProducerID
}

func TestInitProducerID_NeverGivesAnIDTwice(t *testing.T) {
	disk := vfs.NewMem()
	seen := map[int64]bool{}
	for range 3 {
		n := startNode(t, nodeOptions{fs: disk})
		r := n.dial()
		for i := range 1100 {
			id := r.producerID(int16(i % 6))
			if seen[id] {
				t.Fatalf("id %d is given twice", id)
			}
			seen[id] = true
		}
		n.close()
	}
}

func TestInitProducerID_TransactionsAreRefusedForGood(t *testing.T) {
	r := startNode(t, nodeOptions{}).dial()
	for id, want := range map[string]*kerr.Error{"tx": kerr.TransactionalIDAuthorizationFailed, "": kerr.InvalidRequest} {
		for version := int16(0); version <= 5; version++ {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.Version, req.TransactionalID = version, &id
			got := r.ask(req).(*kmsg.InitProducerIDResponse)
			if got.ErrorCode != want.Code || got.ProducerID != -1 || kerr.IsRetriable(kerr.ErrorForCode(got.ErrorCode)) {
				t.Errorf("version %d, %q: %+v", version, id, got)
			}
		}
	}
}

func TestProducerIDs_ManyWaitForOneBlock(t *testing.T) {
	var p producerIDs
	var mu sync.Mutex
	blocks, seen := int64(0), map[int64]bool{}
	refused := errors.New("not now")
	allocate := func(context.Context) (int64, int32, error) {
		mu.Lock()
		defer mu.Unlock()
		if blocks++; blocks == 1 {
			return 0, 0, refused
		}
		return blocks * 10, 10, nil
	}
	if _, err := p.take(context.Background(), allocate); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			id, err := p.take(context.Background(), allocate)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[id] {
				t.Errorf("id %d, %v", id, err)
			}
			seen[id] = true
		})
	}
	wg.Wait()
	if blocks != 11 {
		t.Errorf("100 ids took %d blocks of 10, one of them refused", blocks)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.asking = make(chan struct{})
	if _, err := p.take(ctx, allocate); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
