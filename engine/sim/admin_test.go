package sim_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/sim/check"
)

// insist asks one broker after the other until one has carried it out, it was
// carried out by an earlier call that had no answer, or ctx ends. done are the
// errors that say so.
func insist(ctx context.Context, brokers []int32, try func(ctx context.Context, broker int32) error, done ...error) error {
	unknown := false
	for i := 0; ; i++ {
		err := try(ctx, brokers[i%len(brokers)])
		if err == nil {
			return nil
		}
		for _, d := range done {
			if unknown && errors.Is(err, d) {
				return nil
			}
		}
		var told *kerr.Error
		if !errors.As(err, &told) || told.Retriable {
			unknown = true
		} else {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// create makes a topic. Its name is used once in a world.
func (c *rawClient) create(ctx context.Context, brokers []int32, topic string, partitions int32, factor int16, configs ...string) error {
	return insist(ctx, brokers, func(ctx context.Context, broker int32) error {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = int32(patience.Milliseconds())
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, partitions, factor
		for i := 0; i < len(configs); i += 2 {
			rc := kmsg.NewCreateTopicsRequestTopicConfig()
			rc.Name, rc.Value = configs[i], &configs[i+1]
			rt.Configs = append(rt.Configs, rc)
		}
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.CreateTopicsResponse](ctx, c, broker, req)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}, kerr.TopicAlreadyExists)
}

func (c *rawClient) remove(ctx context.Context, brokers []int32, topic string) error {
	return insist(ctx, brokers, func(ctx context.Context, broker int32) error {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis, req.TopicNames = int32(patience.Milliseconds()), []string{topic}
		resp, err := ask[*kmsg.DeleteTopicsResponse](ctx, c, broker, req)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}, kerr.UnknownTopicOrPartition)
}

func (c *rawClient) grow(ctx context.Context, brokers []int32, topic string, partitions int32) error {
	return insist(ctx, brokers, func(ctx context.Context, broker int32) error {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.TimeoutMillis = int32(patience.Milliseconds())
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = topic, partitions
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.CreatePartitionsResponse](ctx, c, broker, req)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}, kerr.InvalidPartitions)
}

// configure sets one setting of a topic.
func (c *rawClient) configure(ctx context.Context, brokers []int32, topic, name, value string) error {
	return insist(ctx, brokers, func(ctx context.Context, broker int32) error {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		rr := kmsg.NewIncrementalAlterConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		rc.Name, rc.Value, rc.Op = name, &value, kmsg.IncrementalAlterConfigOpSet
		rr.Configs = append(rr.Configs, rc)
		req.Resources = append(req.Resources, rr)
		resp, err := ask[*kmsg.IncrementalAlterConfigsResponse](ctx, c, broker, req)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	})
}

// setting reads one setting of a topic, "" if there is no such topic.
func (c *rawClient) setting(ctx context.Context, brokers []int32, topic, name string) (value string, err error) {
	err = insist(ctx, brokers, func(ctx context.Context, broker int32) error {
		req := kmsg.NewPtrDescribeConfigsRequest()
		rr := kmsg.NewDescribeConfigsRequestResource()
		rr.ResourceType, rr.ResourceName, rr.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{name}
		req.Resources = append(req.Resources, rr)
		resp, err := ask[*kmsg.DescribeConfigsResponse](ctx, c, broker, req)
		if err != nil {
			return err
		}
		r := resp.Resources[0]
		value = ""
		for _, rc := range r.Configs {
			if rc.Value != nil {
				value = *rc.Value
			}
		}
		if r.ErrorCode == kerr.UnknownTopicOrPartition.Code {
			return nil
		}
		return kerr.ErrorForCode(r.ErrorCode)
	})
	return value, err
}

// deleteRecords asks the leader to delete all below an offset.
func (c *rawClient) deleteRecords(ctx context.Context, brokers []int32, p check.Part, below int64) error {
	return insist(ctx, brokers, func(ctx context.Context, broker int32) error {
		at, err := c.place(ctx, []int32{broker}, p)
		if err != nil {
			return err
		}
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.TimeoutMillis = int32(patience.Milliseconds())
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic = p.Topic
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Partition, rp.Offset = p.Index, below
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.DeleteRecordsResponse](ctx, c, at.leader, req)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	})
}

// elect asks for the preferred leaders of all partitions.
func (c *rawClient) elect(ctx context.Context, broker int32) error {
	req := kmsg.NewPtrElectLeadersRequest() // no topics: all
	req.TimeoutMillis = int32(patience.Milliseconds())
	resp, err := ask[*kmsg.ElectLeadersResponse](ctx, c, broker, req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// reassign moves a partition to other replicas; nil cancels.
func (c *rawClient) reassign(ctx context.Context, broker int32, p check.Part, replicas []int32) error {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = int32(patience.Milliseconds())
	rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	rt.Topic = p.Topic
	rp := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	rp.Partition, rp.Replicas = p.Index, replicas
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := ask[*kmsg.AlterPartitionAssignmentsResponse](ctx, c, broker, req)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

// committed asks a group's coordinator for its committed offset of a partition, -1 for none.
func (c *rawClient) committed(ctx context.Context, brokers []int32, group string, p check.Part) (offset int64, err error) {
	err = insist(ctx, brokers, func(ctx context.Context, broker int32) error {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorKey = group
		found, err := ask[*kmsg.FindCoordinatorResponse](ctx, c, broker, find)
		if err == nil {
			err = kerr.ErrorForCode(found.ErrorCode)
		}
		if err != nil {
			return err
		}
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = group
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = p.Topic, []int32{p.Index}
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.OffsetFetchResponse](ctx, c, found.NodeID, req)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err != nil {
			return err
		}
		answer := resp.Topics[0].Partitions[0]
		offset = answer.Offset
		return kerr.ErrorForCode(answer.ErrorCode)
	})
	return offset, err
}
