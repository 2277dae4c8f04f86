package group

import (
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

var errShort = errors.New("record ends early or has a length that cannot be")

// subscribedTopics reads the topics out of a ConsumerProtocolSubscription of
// any version: version 0 is the beginning of all others.
func subscribedTopics(metadata []byte) ([]string, error) {
	r := reader{b: metadata}
	r.int16() // version
	topics := make([]string, r.arrayLen(2))
	for i := range topics {
		topics[i] = r.string()
	}
	return topics, r.err()
}

// assignedPartitions reads a ConsumerProtocolAssignment of any version. An
// empty assignment has no partitions.
func assignedPartitions(assignment []byte) ([]topicPartition, error) {
	if len(assignment) == 0 {
		return nil, nil
	}
	r := reader{b: assignment}
	r.int16() // version
	var out []topicPartition
	for range r.arrayLen(6) {
		topic := r.string()
		for range r.arrayLen(4) {
			out = append(out, topicPartition{topic, r.int32()})
		}
	}
	return out, r.err()
}

// describeAssignment writes partitions as people do: "orders 0 3, users 1".
func describeAssignment(tps []topicPartition) string {
	tps = slices.Clone(tps)
	slices.SortFunc(tps, topicPartition.compare)
	var s strings.Builder
	for i, tp := range tps {
		if i == 0 || tps[i-1].topic != tp.topic {
			if i > 0 {
				s.WriteString(", ")
			}
			s.WriteString(tp.topic)
		}
		s.WriteByte(' ')
		s.WriteString(strconv.Itoa(int(tp.partition)))
	}
	return s.String()
}

// fingerprint tells assignments apart; that of no partitions is 0.
func fingerprint(assignment string) uint64 {
	if assignment == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(assignment)) // a hash takes everything
	return h.Sum64()
}

// longestTold is how many bytes of an assignment an event carries: the hub
// keeps thousands of events.
const longestTold = 512

// shorten cuts the description of an assignment at the end of a partition.
func shorten(assignment string) string {
	if len(assignment) <= longestTold {
		return assignment
	}
	return assignment[:strings.LastIndexByte(assignment[:longestTold+1], ' ')] + " …"
}
