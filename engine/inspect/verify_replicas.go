package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

// replicas compares the logs of each partition on all brokers, up to the
// highest high watermark that any of them wrote down.
func (v *verifier) replicas() error {
	byKey := map[logKey][]*logFolder{}
	var keys []logKey
	for _, b := range v.folder.brokers {
		for _, l := range b.logs {
			if _, ok := v.ends[l]; !ok {
				continue
			}
			if byKey[l.logKey] == nil {
				keys = append(keys, l.logKey)
			}
			byKey[l.logKey] = append(byKey[l.logKey], l)
		}
	}
	slices.SortFunc(keys, compareKeys)
	for _, key := range keys {
		mark := int64(0)
		for _, l := range byKey[key] {
			mark = max(mark, l.broker.marks[key])
		}
		v.inSync(key, byKey[key], mark)
		if logs := v.sameTopic(byKey[key]); len(logs) > 1 {
			if err := v.compareLogs(logs, mark); err != nil {
				return err
			}
		}
	}
	return v.failed
}

// sameTopic leaves out logs of an older topic of the same name.
func (v *verifier) sameTopic(logs []*logFolder) []*logFolder {
	if v.image == nil {
		return logs
	}
	return slices.DeleteFunc(slices.Clone(logs), func(l *logFolder) bool { return v.topicOf(l) == nil })
}

// topicOf is the topic that a log is of by its id, nil if the metadata has
// none, or not under this name.
func (v *verifier) topicOf(l *logFolder) *metadata.Topic {
	if v.image == nil {
		return nil
	}
	id, err := storage.ReadTopicID(v.fs, l.dir)
	t := v.image.TopicByID(metadata.UUID(id))
	if err != nil || t == nil || t.Name != l.topic {
		return nil
	}
	return t
}

// inSync checks that each in-sync replica has all up to the high watermark.
func (v *verifier) inSync(key logKey, logs []*logFolder, mark int64) {
	if v.image == nil || mark == 0 || v.o.Live {
		return
	}
	t := v.image.Topic(key.topic)
	if t == nil || int(key.index) >= len(t.Partitions) {
		return
	}
	for _, id := range t.Partitions[key.index].ISR {
		b := v.folder.find(id)
		if b == nil {
			continue
		}
		end := int64(0)
		if at := slices.IndexFunc(logs, func(l *logFolder) bool { return l.broker == b }); at >= 0 {
			end = v.ends[logs[at]].reach
		}
		if end < mark {
			sev := v.harsh(b)
			if v.journaled {
				sev = Problem
			}
			v.find(Finding{Severity: sev, Check: CheckReplicas, Broker: id, Topic: key.topic, Partition: &key.index,
				Detail: fmt.Sprintf("the replica is in sync, and ends at %d below the high watermark, %d", end, mark)})
		}
	}
}

func (f *folder) find(id int32) *brokerFolder {
	for _, b := range f.brokers {
		if b.id == id {
			return b
		}
	}
	return nil
}

// compareLogs steps over two or more logs side by side. What compaction may
// have changed on one and not yet on the other is left out.
func (v *verifier) compareLogs(logs []*logFolder, mark int64) error {
	from := int64(0)
	for _, l := range logs {
		s := v.ends[l]
		from = max(from, s.start, s.first, s.cleaned)
	}
	first := &logReader{fs: v.fs, log: logs[0], live: v.o.Live}
	defer first.close()
	for _, l := range logs[1:] {
		upTo := min(mark, v.ends[logs[0]].end, v.ends[l].end)
		second := &logReader{fs: v.fs, log: l, live: v.o.Live}
		err := v.comparePair(first, second, from, upTo)
		second.close()
		first.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) comparePair(a, b *logReader, from, upTo int64) error {
	if err := errors.Join(a.seek(from), b.seek(from)); err != nil {
		return err
	}
	for at := from; at < upTo; {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		okA, err := a.next(at)
		if err != nil {
			return err
		}
		okB, err := b.next(at)
		if err != nil {
			return err
		}
		if !okA || !okB {
			return nil // damage, which the scan has reported
		}
		x, y := a.header, b.header
		if x.BaseOffset >= upTo && y.BaseOffset >= upTo {
			return nil
		}
		if x != y {
			if v.o.Live {
				return nil
			}
			v.find(Finding{Severity: Problem, Check: CheckReplicas, Broker: b.log.broker.id, Topic: b.log.topic, Partition: &b.log.index, Offset: &at,
				Detail: fmt.Sprintf("below the high watermark the batch is not that of broker %d: offsets %d to %d, epoch %d, CRC %08x here, offsets %d to %d, epoch %d, CRC %08x there",
					a.log.broker.id, y.BaseOffset, y.LastOffset(), y.LeaderEpoch, y.CRC, x.BaseOffset, x.LastOffset(), x.LeaderEpoch, x.CRC)})
			return nil
		}
		at = x.LastOffset() + 1
	}
	return nil
}

// logReader steps over the batches of a whole log, reading headers alone.
type logReader struct {
	fs       vfs.FS
	log      *logFolder
	live     bool
	segments []storage.LogFile // not yet read
	file     vfs.File
	cursor   *cursor
	header   batch.Header
}

// seek goes to the segment that holds an offset.
func (r *logReader) seek(offset int64) error {
	r.close()
	files, err := storage.ListFiles(r.fs, r.log.dir)
	if err != nil {
		if r.live && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("listing %s: %w", r.log.dir, err)
	}
	r.segments = nil
	for _, file := range files {
		if file.Kind != storage.FileSegment {
			continue
		}
		if file.Offset <= offset {
			r.segments = nil
		}
		r.segments = append(r.segments, file)
	}
	return nil
}

// next goes to the first batch that ends at an offset or above it.
func (r *logReader) next(offset int64) (bool, error) {
	for {
		if r.cursor == nil {
			if len(r.segments) == 0 {
				return false, nil
			}
			if err := r.open(); err != nil {
				if r.live && errors.Is(err, fs.ErrNotExist) {
					return false, nil
				}
				return false, err
			}
		}
		c := r.cursor
		if c.next >= c.size {
			r.close()
			continue
		}
		h, err := c.headerAt(c.next)
		if errors.Is(err, errDamaged) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		c.next += int64(h.Size())
		if h.LastOffset() >= offset {
			r.header = h
			return true, nil
		}
	}
}

func (r *logReader) open() error {
	f, err := r.fs.Open(r.log.dir + "/" + r.segments[0].Name)
	if err != nil {
		return err
	}
	r.segments = r.segments[1:]
	r.file = f
	r.cursor, err = newCursor(f)
	return err
}

func (r *logReader) close() {
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.cursor = nil, nil
}
