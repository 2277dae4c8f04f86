package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Election is what came of asking for preferred leaders.
type Election struct {
	Moved  int   // partitions that have a new leader
	Failed int   // partitions whose preferred leader could not be elected
	Err    error // of one of those
}

// ElectPreferred makes the first replica of each partition its leader again,
// where that replica is in sync (KIP-183). No topics: of all topics.
func (c *Cluster) ElectPreferred(ctx context.Context, topics ...Topic) (Election, error) {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return Election{}, err
	}
	if why := caps.Why(FeatureElectLeaders); why != "" {
		return Election{}, &Error{Text: why}
	}
	ctx, cancel := context.WithTimeout(ctx, changeDeadline)
	defer cancel()
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis = int32(changeDeadline.Milliseconds())
	for _, t := range topics {
		rt := kmsg.NewElectLeadersRequestTopic()
		rt.Topic = t.Name
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, p.ID)
		}
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return Election{}, explain(err)
	}
	if err := refused(resp.ErrorCode, nil); err != nil {
		return Election{}, err
	}
	var e Election
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			switch p.ErrorCode {
			case 0:
				e.Moved++
			case kerr.ElectionNotNeeded.Code:
			default:
				e.Failed++
				e.Err = refused(p.ErrorCode, p.ErrorMessage)
			}
		}
	}
	return e, nil
}
