package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handleAlterReplicaLogDirs answers AlterReplicaLogDirs 0 to 2. A broker here
// has one log directory: a replica that is asked to move there is there
// already, and any other directory is LOG_DIR_NOT_FOUND.
func handleAlterReplicaLogDirs(b *Broker, r *request) reply {
	req := r.body.(*kmsg.AlterReplicaLogDirsRequest)
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	at := map[string]int{} // topics of the answer, which has each once
	for _, dir := range req.Dirs {
		for _, t := range dir.Topics {
			i, ok := at[t.Topic]
			if !ok {
				i = len(resp.Topics)
				at[t.Topic] = i
				out := kmsg.NewAlterReplicaLogDirsResponseTopic()
				out.Topic = t.Topic
				resp.Topics = append(resp.Topics, out)
			}
			for _, index := range t.Partitions {
				p := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
				p.Partition = index
				p.ErrorCode, _ = b.codeOf(b.moveTo(dir.Dir, t.Topic, index))
				resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, p)
			}
		}
	}
	return answer(resp)
}

// moveTo moves a replica to a log directory, of which there is one.
func (b *Broker) moveTo(dir, topic string, index int32) error {
	if dir != b.logDir {
		return kerr.LogDirNotFound
	}
	_, err := b.replicas.Partition(topic, index)
	if errors.Is(err, kerr.NotLeaderForPartition) {
		return kerr.ReplicaNotAvailable
	}
	return err
}
