package controller

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

type alterConfigs struct {
	alterations  []ConfigAlteration
	validateOnly bool
}

func (r alterConfigs) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, []ConfigResult) {
	counts := make(map[metadata.Resource]int, len(r.alterations))
	for _, a := range r.alterations {
		counts[a.Resource]++
	}
	var recs []metadata.Record
	out := make([]ConfigResult, len(r.alterations))
	for i, a := range r.alterations {
		out[i].Resource = a.Resource
		if counts[a.Resource] > 1 {
			out[i].Err = metadata.Refuse(kerr.InvalidRequest, "Each resource must appear at most once.")
			continue
		}
		old, err := configOf(img, a.Resource)
		if err == nil {
			var next map[string]string
			if next, err = alter(old, a); err == nil {
				err = validate(a, old, next)
			}
			if err == nil {
				recs = appendDifference(recs, a.Resource, old, next)
			}
		}
		out[i].Err = err
	}
	if r.validateOnly {
		return nil, out
	}
	more, err := afterConfigs(img, recs)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return nil, out
	}
	return more, out
}

// afterConfigs adds the changes of partitions that follow from settings: who
// is eligible depends on min.insync.replicas, who may lead on
// unclean.leader.election.enable.
func afterConfigs(img *metadata.Image, recs []metadata.Record) ([]metadata.Record, error) {
	for _, r := range recs {
		if c, ok := r.(metadata.ConfigRecord); ok && (c.Name == "min.insync.replicas" || c.Name == "unclean.leader.election.enable") {
			return withElections(img, recs, metadata.CauseRequest)
		}
	}
	return recs, nil
}

// configOf returns what is set for a resource.
func configOf(img *metadata.Image, of metadata.Resource) (map[string]string, error) {
	switch of.Type {
	case metadata.ResourceTopic:
		if of.Name == "" {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Default topic resources are not allowed.")
		}
		if err := metadata.ValidateTopicName(of.Name); err != nil {
			return nil, err
		}
		t := img.Topic(of.Name)
		if t == nil {
			return nil, metadata.Refuse(kerr.UnknownTopicOrPartition, "The topic '%s' does not exist.", of.Name)
		}
		return t.Config, nil
	case metadata.ResourceBroker:
		if of.Name == "" {
			return img.ClusterConfig(), nil
		}
		id, err := strconv.ParseInt(of.Name, 10, 32)
		if err != nil {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Node id must be an integer, but it is: %s", of.Name)
		}
		if _, ok := img.Broker(int32(id)); !ok || of.Name != strconv.FormatInt(id, 10) {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Broker %s is not registered.", of.Name)
		}
		return img.BrokerConfig(int32(id)), nil
	}
	return nil, metadata.Refuse(kerr.InvalidRequest, "Unknown resource type %d", of.Type)
}

// alter carries out the operations of a on what is set.
func alter(old map[string]string, a ConfigAlteration) (map[string]string, error) {
	next := make(map[string]string, len(old)+len(a.Ops))
	if !a.Replace {
		maps.Copy(next, old)
	}
	seen := make(map[string]bool, len(a.Ops))
	for _, op := range a.Ops {
		if seen[op.Name] {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Error due to duplicate config keys")
		}
		seen[op.Name] = true
		if op.Value == nil && op.Op != Delete {
			return nil, metadata.Refuse(kerr.InvalidRequest, "Null value not supported for : %s", op.Name)
		}
		switch op.Op {
		case Set:
			next[op.Name] = *op.Value
		case Delete:
			delete(next, op.Name)
		case Append, Subtract:
			if err := alterList(next, a.Resource.Type, op); err != nil {
				return nil, err
			}
		default:
			return nil, metadata.Refuse(kerr.InvalidRequest, "Unknown operation %d on config %s", op.Op, op.Name)
		}
	}
	return next, nil
}

// alterList adds to or takes from a setting that is a list.
func alterList(next map[string]string, of metadata.ResourceType, op ConfigOp) error {
	verb := "APPEND"
	if op.Op == Subtract {
		verb = "SUBTRACT"
	}
	setting, ok := metadata.SettingOf(of, op.Name)
	if !ok || setting.Type != metadata.TypeList {
		return metadata.Refuse(kerr.InvalidConfig, "Can't %s to key %s because its type is not LIST.", verb, op.Name)
	}
	value, ok := next[op.Name]
	if !ok && setting.Default != nil {
		value = *setting.Default
	}
	list := metadata.SplitList(value)
	for _, item := range metadata.SplitList(*op.Value) {
		at := slices.Index(list, item)
		switch {
		case op.Op == Append && at < 0:
			list = append(list, item)
		case op.Op == Subtract && at >= 0:
			list = slices.Delete(list, at, at+1)
		}
	}
	next[op.Name] = strings.Join(list, ",")
	return nil
}

// validate checks the settings that a resource would have.
func validate(a ConfigAlteration, old, next map[string]string) error {
	if a.Resource.Type == metadata.ResourceTopic {
		return metadata.ValidateTopicConfig(next)
	}
	changed := make(map[string]string)
	for name, value := range next {
		if was, ok := old[name]; !ok || was != value {
			changed[name] = value
		}
	}
	return metadata.ValidateBrokerConfig(changed, a.Resource.Name == "")
}

// appendDifference appends the records that lead from old to next.
func appendDifference(recs []metadata.Record, of metadata.Resource, old, next map[string]string) []metadata.Record {
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := next[name]; !ok {
			recs = append(recs, metadata.ConfigRecord{Resource: of, Name: name})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(next)) {
		value := next[name]
		if was, ok := old[name]; !ok || was != value {
			recs = append(recs, metadata.ConfigRecord{Resource: of, Name: name, Value: &value})
		}
	}
	return recs
}
