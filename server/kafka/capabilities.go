package kafka

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// capabilitiesAge is how long the console believes what a cluster can do.
const capabilitiesAge = 30 * time.Second

// Feature is something that a page offers and a cluster may lack.
type Feature int

// The features.
const (
	FeatureSizes        Feature = iota // bytes of logs on disk
	FeatureAlterConfigs                // changing single settings
	FeatureAddPartitions
	FeatureDeleteTopics
	FeatureDeleteGroups
	FeatureConfigs
	FeatureQuorum       // the state of the metadata quorum
	FeatureFenced       // brokers that are registered and fenced
	FeatureEligible     // eligible leader replicas
	FeatureElectLeaders // preferred leaders
)

// needs maps each feature to the request that it stands on.
var needs = map[Feature]struct {
	key     kmsg.Key
	version int16
}{
	FeatureSizes:         {kmsg.DescribeLogDirs, 1},
	FeatureAlterConfigs:  {kmsg.IncrementalAlterConfigs, 0},
	FeatureAddPartitions: {kmsg.CreatePartitions, 0},
	FeatureDeleteTopics:  {kmsg.DeleteTopics, 0},
	FeatureDeleteGroups:  {kmsg.DeleteGroups, 0},
	FeatureConfigs:       {kmsg.DescribeConfigs, 0},
	FeatureQuorum:        {kmsg.DescribeQuorum, 0},
	FeatureFenced:        {kmsg.DescribeCluster, 2},
	FeatureEligible:      {kmsg.DescribeTopicPartitions, 0},
	FeatureElectLeaders:  {kmsg.ElectLeaders, 1},
}

// Capabilities is what every broker that answered can do.
type Capabilities struct {
	Version string          // the Kafka version that offers the same, "" if none does
	max     map[int16]int16 // highest version by API key
}

// Why returns the reason for which a feature is not available, "" if it is.
func (c Capabilities) Why(f Feature) string {
	need := needs[f]
	top, ok := c.max[need.key.Int16()]
	switch {
	case !ok:
		return fmt.Sprintf("This cluster does not offer the request %s (API key %d).", need.key.Name(), need.key.Int16())
	case top < need.version:
		return fmt.Sprintf("This cluster offers %s up to version %d; the console needs version %d.", need.key.Name(), top, need.version)
	}
	return ""
}

// Capabilities asks the brokers what they can do. Where they do not answer, what
// they could do before holds on: a cluster in trouble must not be slow to look
// at for want of what has not changed.
func (c *Cluster) Capabilities(ctx context.Context) (Capabilities, error) {
	return c.caps.get(ctx, capabilitiesAge, func(ctx context.Context) (Capabilities, error) {
		caps, err := c.askCapabilities(ctx)
		if known := c.lastCaps.Load(); err != nil && known != nil {
			return *known, nil
		}
		if err == nil {
			c.lastCaps.Store(&caps)
		}
		return caps, err
	})
}

func (c *Cluster) askCapabilities(ctx context.Context) (Capabilities, error) {
	ctx, cancel := context.WithTimeout(ctx, onePatience)
	defer cancel()
	versions, err := within(ctx, c.admin.ApiVersions)
	if err != nil {
		return Capabilities{}, explain(err)
	}
	var caps Capabilities
	var firstErr error
	for _, v := range versions.Sorted() {
		if v.Err != nil {
			firstErr = v.Err
			continue
		}
		offered := make(map[int16]int16)
		v.EachKeySorted(func(key, _, top int16) { offered[key] = top })
		if caps.max == nil {
			caps.max, caps.Version = offered, guess(v.VersionGuess())
			continue
		}
		for key, top := range caps.max {
			other, ok := offered[key]
			if !ok {
				delete(caps.max, key)
			} else {
				caps.max[key] = min(top, other)
			}
		}
	}
	if caps.max == nil {
		return Capabilities{}, explain(firstErr)
	}
	return caps, nil
}

// guess leaves out what is no version: "between v1.0 and v1.1", "not even v0.8".
func guess(words string) string {
	if strings.Contains(words, " ") && !strings.HasPrefix(words, "at least") {
		return ""
	}
	return words
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
