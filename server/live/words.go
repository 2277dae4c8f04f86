package live

import (
	"fmt"

	"github.com/logarium/logarium/engine/event"
)

// StateEvent is a state event as the page gets it.
type StateEvent struct {
	Seq       uint64 `json:"seq"`
	Time      int64  `json:"t"` // unix ms
	Kind      string `json:"kind"`
	Broker    int32  `json:"broker"` // -1: none
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition"` // -1: none
	Group     string `json:"group,omitempty"`
	Member    string `json:"member,omitempty"`
	ClientID  string `json:"client,omitempty"`
	Epoch     int32  `json:"epoch,omitempty"`
	A         int64  `json:"a,omitempty"`
	B         int64  `json:"b,omitempty"`
	Text      string `json:"text"` // one sentence for people
}

func stateEvent(e *event.State) StateEvent {
	return StateEvent{
		Seq: e.Seq, Time: e.At.UnixMilli(), Kind: string(e.Kind), Broker: e.Broker, Topic: e.Topic, Partition: e.Partition,
		Group: e.Group, Member: e.Member, ClientID: e.ClientID, Epoch: e.Epoch, A: e.A, B: e.B, Text: sentence(e),
	}
}

// sentence says what happened in plain words.
func sentence(e *event.State) string {
	on := fmt.Sprintf("%s-%d", e.Topic, e.Partition)
	switch e.Kind {
	case event.BrokerStarted:
		if e.Text == "" {
			return fmt.Sprintf("Broker %d started", e.Broker)
		}
		return fmt.Sprintf("Broker %d started on %s", e.Broker, e.Text)
	case event.BrokerStopped:
		return fmt.Sprintf("Broker %d stopped", e.Broker)
	case event.BrokerFailed:
		if e.Broker < 0 {
			return "Nothing can be acknowledged: " + e.Text
		}
		return fmt.Sprintf("Broker %d failed: %s", e.Broker, e.Text)
	case event.BrokerKilled:
		return fmt.Sprintf("Broker %d was killed", e.Broker)
	case event.BrokerPaused:
		return fmt.Sprintf("Broker %d was paused", e.Broker)
	case event.BrokerResumed:
		return fmt.Sprintf("Broker %d goes on", e.Broker)
	case event.BrokerRegistered:
		return fmt.Sprintf("Broker %d registered with the controller", e.Broker)
	case event.BrokerFenced:
		return fmt.Sprintf("Broker %d was fenced%s", e.Broker, cause(e))
	case event.BrokerUnfenced:
		return fmt.Sprintf("Broker %d is served to clients", e.Broker)
	case event.BrokerDraining:
		return fmt.Sprintf("Broker %d hands over what it leads", e.Broker)
	case event.ControllerElected:
		return fmt.Sprintf("Broker %d became the controller (epoch %d)", e.Broker, e.Epoch)
	case event.TopicCreated:
		return fmt.Sprintf("Topic %s created with %s", e.Topic, count(e.A, "partition"))
	case event.TopicDeleted:
		return fmt.Sprintf("Topic %s deleted", e.Topic)
	case event.PartitionsAdded:
		return fmt.Sprintf("Topic %s grew from %d to %s", e.Topic, e.A, count(e.B, "partition"))
	case event.ConfigChanged:
		if e.Topic != "" {
			return fmt.Sprintf("Settings of topic %s changed: %s", e.Topic, e.Text)
		}
		return fmt.Sprintf("Settings of broker %d changed: %s", e.Broker, e.Text)
	}
	return replicaSentence(e, on)
}

// cause is the reason that an event gives.
func cause(e *event.State) string {
	if e.Text == "" {
		return ""
	}
	return " (" + e.Text + ")"
}

func replicaSentence(e *event.State, on string) string {
	switch e.Kind {
	case event.LeaderElected:
		if e.Broker < 0 {
			return fmt.Sprintf("%s has no leader%s", on, cause(e))
		}
		return fmt.Sprintf("Broker %d leads %s, epoch %d%s", e.Broker, on, e.Epoch, cause(e))
	case event.IsrShrunk:
		return fmt.Sprintf("Broker %d fell out of sync on %s: %d in sync%s", e.Broker, on, e.A, cause(e))
	case event.IsrExpanded:
		return fmt.Sprintf("Broker %d is in sync on %s: %d in sync", e.Broker, on, e.A)
	case event.ReplicasChanged:
		return fmt.Sprintf("%s moves: %s", on, e.Text)
	case event.FollowerStarted:
		return fmt.Sprintf("Broker %d follows broker %d on %s from offset %d", e.Broker, e.B, on, e.A)
	}
	return logSentence(e, on)
}

func logSentence(e *event.State, on string) string {
	switch e.Kind {
	case event.SegmentRolled:
		return fmt.Sprintf("%s began a new segment at offset %d", on, e.A)
	case event.SegmentDeleted:
		return fmt.Sprintf("%s deleted the segment at offset %d (%d bytes)", on, e.A, e.B)
	case event.LogStartMoved:
		return fmt.Sprintf("%s now starts at offset %d", on, e.B)
	case event.LogTruncated:
		return fmt.Sprintf("%s was truncated from offset %d to %d", on, e.A, e.B)
	case event.LogCompacted:
		return fmt.Sprintf("%s was compacted from %d to %d bytes", on, e.A, e.B)
	case event.DiskFull:
		return fmt.Sprintf("Broker %d has no space for records: %s", e.Broker, e.Text)
	case event.DiskFree:
		return fmt.Sprintf("Broker %d has space for records again", e.Broker)
	case event.JournalDamaged:
		return "The journal is damaged: " + e.Text
	case event.LogRecovered:
		if e.A == 0 {
			return fmt.Sprintf("%s was recovered: nothing lost", on)
		}
		return fmt.Sprintf("%s was recovered: %d bytes of an unfinished write cut", on, e.A)
	}
	return clientSentence(e)
}

func clientSentence(e *event.State) string {
	switch e.Kind {
	case event.ClientConnected:
		if e.Text == "" {
			return fmt.Sprintf("Client %s connected to broker %d", e.ClientID, e.Broker)
		}
		return fmt.Sprintf("Client %s (%s) connected to broker %d", e.ClientID, e.Text, e.Broker)
	case event.ClientGone:
		return fmt.Sprintf("Client %s left broker %d", e.ClientID, e.Broker)
	case event.GroupCreated:
		return fmt.Sprintf("Group %s created", e.Group)
	case event.GroupDeleted:
		return fmt.Sprintf("Group %s deleted", e.Group)
	case event.GroupState:
		return fmt.Sprintf("Group %s is %s (generation %d)", e.Group, e.Text, e.Epoch)
	case event.MemberJoined:
		return fmt.Sprintf("%s joined group %s", e.ClientID, e.Group)
	case event.MemberLeft:
		if e.Text == "" {
			return fmt.Sprintf("%s left group %s", e.ClientID, e.Group)
		}
		return fmt.Sprintf("%s left group %s (%s)", e.ClientID, e.Group, e.Text)
	case event.AssignmentChanged:
		return fmt.Sprintf("Group %s assigned %s to %s", e.Group, e.Text, who(e))
	case event.OffsetsReset:
		return fmt.Sprintf("Offsets of group %s in %s were reset", e.Group, e.Topic)
	}
	return string(e.Kind)
}

func who(e *event.State) string {
	if e.ClientID != "" {
		return e.ClientID
	}
	return e.Member
}

func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
