package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
)

// logCheck is the check of one replica's log.
type logCheck struct {
	*verifier
	log   *logFolder
	files []storage.LogFile
	scanned
	point     int64 // below it all must be right, whatever the end of the run
	epochs    []storage.EpochStart
	noEpochs  bool // they cannot be read
	producers replay
	snapshots []storage.LogFile // not yet reached by the scan
}

// log checks a replica's log.
func (v *verifier) log(l *logFolder) error {
	files, err := storage.ListFiles(v.fs, l.dir)
	if errors.Is(err, fs.ErrNotExist) && v.o.Live {
		return nil // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", l.dir, err)
	}
	v.report.Logs++
	c := &logCheck{verifier: v, log: l, files: files, producers: replay{producers: map[int64]*storage.ProducerState{}}}
	c.point = l.broker.points[l.logKey]
	if l.broker.clean {
		c.point = math.MaxInt64
	}
	c.topic()
	c.smallFiles()
	if err := c.segments(); err != nil {
		return err
	}
	c.bounds()
	c.reach = c.end
	v.ends[l] = c.scanned
	return nil
}

// finding gives out a finding of a file of this log.
func (c *logCheck) finding(s Severity, check Check, name, format string, args ...any) {
	c.find(c.about(s, check, name, format, args...))
}

func (c *logCheck) about(s Severity, check Check, name, format string, args ...any) Finding {
	f := Finding{Severity: s, Check: check, Broker: c.log.broker.id, Topic: c.log.topic, Partition: &c.log.index, Detail: fmt.Sprintf(format, args...)}
	if name != "" {
		f.File = c.log.dir + "/" + name
	}
	return f
}

// topic holds the folder against the metadata.
func (c *logCheck) topic() {
	c.compacted = slices.ContainsFunc(c.files, func(f storage.LogFile) bool { return f.Kind == storage.FileCleaner })
	id, err := storage.ReadTopicID(c.fs, c.log.dir)
	if err != nil && (len(c.files) > 0 || !c.o.Live) {
		c.finding(Problem, CheckTopic, "partition.metadata", "%v", err)
	}
	if c.image == nil {
		return
	}
	var t *metadata.Topic
	if err == nil {
		t = c.image.TopicByID(metadata.UUID(id))
	} else {
		t = c.image.Topic(c.log.topic)
	}
	orphan := c.harsh(c.log.broker)
	switch {
	case t == nil:
		c.finding(orphan, CheckTopic, "", "no topic has the id %s: the log is of one that was deleted, and the next start removes it", metadata.UUID(id))
		return
	case t.Name != c.log.topic:
		c.finding(Problem, CheckTopic, "partition.metadata", "the id %s is of the topic %s", metadata.UUID(id), t.Name)
	case int(c.log.index) >= len(t.Partitions):
		c.finding(orphan, CheckTopic, "", "the topic has %d partitions", len(t.Partitions))
	case !slices.Contains(t.Partitions[c.log.index].Replicas, c.log.broker.id):
		c.finding(orphan, CheckTopic, "", "the replicas are on the brokers %v", t.Partitions[c.log.index].Replicas)
	}
	if c.image.EffectiveTopicConfig(t, c.log.broker.id).CleanupCompact {
		c.compacted = true
	}
}

// smallFiles reads the checkpoints, and says which files do not belong there.
func (c *logCheck) smallFiles() {
	c.noEpochs = true
	for _, file := range c.files {
		switch file.Kind {
		case storage.FileEpochs:
			var err error
			if c.epochs, err = storage.ReadEpochs(c.fs, c.log.dir); err != nil {
				c.finding(Problem, CheckEpochs, file.Name, "%v", err)
				continue
			}
			c.noEpochs = false
		case storage.FileLogStart, storage.FileCleaner:
			offset, err := storage.ReadOffsetFile(c.fs, c.log.dir, file)
			if err != nil {
				c.finding(Problem, CheckBounds, file.Name, "%v", err)
				continue
			}
			if file.Kind == storage.FileLogStart {
				c.start = offset
			} else {
				c.cleaned = offset
			}
		case storage.FileSnapshot:
			c.snapshots = append(c.snapshots, file)
		case storage.FileTruncation:
			to, was, err := storage.ReadTruncation(c.fs, c.log.dir)
			if err != nil {
				c.finding(Problem, CheckBounds, file.Name, "%v", err)
			} else if p := c.log.broker.points[c.log.logKey]; p > to && p <= was && !c.log.broker.clean {
				c.point = to
			}
		case storage.FileReset:
			c.finding(c.harsh(c.log.broker), CheckFile, file.Name, "a reset of the log that was under way; the next start ends it")
		case storage.FileSwap:
			c.finding(c.harsh(c.log.broker), CheckFile, file.Name, "a compaction that was ending; the next start ends it")
		case storage.FileLeftover:
			c.finding(c.harsh(c.log.broker), CheckFile, file.Name, "left over; the next start removes it")
		case storage.FileQuarantined:
			c.quarantined = true
			c.finding(Note, CheckFile, file.Name, "%d damaged bytes that an earlier start put aside", file.Size)
		case storage.FileUnknown:
			c.finding(Note, CheckFile, file.Name, "nothing of a log has this name")
		}
	}
}

// bounds checks that the offsets that are written down lie in the log.
func (c *logCheck) bounds() {
	b := c.log.broker
	if c.count > 0 {
		if c.start > c.end {
			c.finding(Problem, CheckBounds, "log-start-offset-checkpoint", "the log starts at %d and ends at %d", c.start, c.end)
		}
		if c.cleaned > c.end {
			c.finding(Problem, CheckBounds, "cleaner-offset-checkpoint", "it is compacted up to %d and ends at %d", c.cleaned, c.end)
		}
		c.start = max(c.start, c.first)
	}
	point, ok := b.points[c.log.logKey]
	switch {
	case !ok:
	case min(point, c.point) > c.end:
		c.finding(Problem, CheckBounds, "", "batches up to %d were synced, and the log ends at %d", point, c.end)
	case point < c.end && c.harsh(b) == Problem:
		c.finding(Problem, CheckBounds, "", "after a clean shutdown the recovery point is %d, and the log ends at %d", point, c.end)
	}
	mark, ok := b.marks[c.log.logKey]
	if ok && mark < c.end && c.alone() && c.harsh(b) == Problem {
		c.finding(Problem, CheckBounds, "", "after a clean shutdown the high watermark of the only replica is %d, and the log ends at %d", mark, c.end)
	}
	if ok && mark > c.end {
		c.finding(c.harsh(b), CheckBounds, "", "the high watermark is %d, and the log ends at %d", mark, c.end)
	}
	for _, e := range c.epochs {
		if e.Start > c.end {
			c.finding(c.harsh(b), CheckEpochs, "leader-epoch-checkpoint", "epoch %d begins at %d, and the log ends at %d", e.Epoch, e.Start, c.end)
		}
	}
	for _, file := range c.snapshots {
		c.finding(c.harsh(b), CheckProducers, file.Name, "the snapshot is of offset %d, and the log ends at %d", file.Offset, c.end)
	}
}

// alone reports whether this is the one replica of its partition.
func (c *logCheck) alone() bool {
	t := c.topicOf(c.log)
	return t != nil && int(c.log.index) < len(t.Partitions) && len(t.Partitions[c.log.index].Replicas) == 1
}
