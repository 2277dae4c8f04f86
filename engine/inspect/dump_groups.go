package inspect

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/logarium/logarium/engine/coordinator/group"
)

// offsetsTopic keeps groups and their offsets.
const offsetsTopic = "__consumer_offsets"

// groupWords says what a record of __consumer_offsets means.
func groupWords(key, value []byte) string {
	r, err := group.Decode(key, value)
	switch r := r.(type) {
	case group.OffsetRecord:
		return offsetWords(r)
	case group.GroupRecord:
		return metadataWords(r)
	}
	if errors.Is(err, group.ErrUnknownRecord) {
		return "unknown kind: " + err.Error()
	}
	return fmt.Sprintf("UNREADABLE: %v", err)
}

func offsetWords(r group.OffsetRecord) string {
	where := fmt.Sprintf("group: %s topic: %s partition: %d", safe(r.Group), safe(r.Topic), r.Partition)
	if r.Offset == nil {
		return "offset deleted: " + where
	}
	o := r.Offset
	out := fmt.Sprintf("offset committed: %s offset: %d leaderEpoch: %d metadata: %s at: %s", where, o.Offset, o.LeaderEpoch, quoted(o.Metadata), at(o.CommitTime))
	if o.ExpireTime >= 0 {
		out += " expires: " + at(o.ExpireTime)
	}
	return out
}

func metadataWords(r group.GroupRecord) string {
	if r.Meta == nil {
		return "group deleted: " + safe(r.Group)
	}
	m := r.Meta
	var b strings.Builder
	fmt.Fprintf(&b, "group: %s generation: %d protocolType: %s protocol: %s leader: %s since: %s members: [",
		safe(r.Group), m.Generation, quoted(m.ProtocolType), pointed(m.Protocol), pointed(m.Leader), at(m.CurrentStateTimestamp))
	for i, mb := range m.Members {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s client: %s host: %s session: %dms", safe(mb.MemberID), safe(mb.ClientID), safe(mb.ClientHost), mb.SessionTimeoutMillis)
		if mb.InstanceID != nil {
			fmt.Fprintf(&b, " instance: %s", safe(*mb.InstanceID))
		}
	}
	b.WriteByte(']')
	return b.String()
}

func quoted(s string) string {
	if s == "" {
		return `""`
	}
	return safe(s)
}

func pointed(s *string) string {
	if s == nil {
		return "none"
	}
	return quoted(*s)
}

func at(ms int64) string {
	if ms < 0 {
		return "none"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
