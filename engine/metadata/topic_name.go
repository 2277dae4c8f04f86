package metadata

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// MaxTopicName is the length in bytes of the longest topic name: the folder
// name of a partition must stay below 255.
const MaxTopicName = 249

// The topics that brokers keep their own state in.
const (
	ConsumerOffsetsTopic  = "__consumer_offsets"
	TransactionStateTopic = "__transaction_state"
	ShareGroupStateTopic  = "__share_group_state"
	// ClusterMetadataTopic names the metadata log; no topic may have its name.
	ClusterMetadataTopic = "__cluster_metadata"
)

// IsInternalTopic says whether brokers keep their own state in the topic.
func IsInternalTopic(name string) bool {
	switch name {
	case ConsumerOffsetsTopic, TransactionStateTopic, ShareGroupStateTopic:
		return true
	}
	return false
}

// ValidateTopicName says in words (INVALID_TOPIC_EXCEPTION) why a topic can
// not have a name; nil if it can.
func ValidateTopicName(name string) error {
	switch {
	case name == "":
		return invalidTopic("the empty string is not allowed")
	case name == ".":
		return invalidTopic("'.' is not allowed")
	case name == "..":
		return invalidTopic("'..' is not allowed")
	case len(name) > MaxTopicName:
		return invalidTopic("the length of '" + name + "' is longer than the max allowed length 249")
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return invalidTopic("'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
		}
	}
	return nil
}

func invalidTopic(why string) error {
	return Refuse(kerr.InvalidTopicException, "Topic name is invalid: %s", why)
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// CollidesAs returns the name by which topics collide: two topics whose names
// differ in '.' and '_' alone would share the name of a metric in Kafka.
func CollidesAs(name string) string { return strings.ReplaceAll(name, ".", "_") }

// CanCollide says whether another name could collide with name.
func CanCollide(name string) bool { return strings.ContainsAny(name, "._") }
