package replica

import (
	"math"
	"strconv"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
)

// settings are what a topic's replicas obey.
type settings struct {
	log           storage.Config
	minISR        int           // min.insync.replicas
	flushMessages int64         // flush.messages
	flushInterval time.Duration // flush.ms; negative: not set
}

// configOf returns the settings that a topic's replicas on this broker obey.
func (s *Set) configOf(img *metadata.Image, t *metadata.Topic) settings {
	from := img.EffectiveTopicConfig(t, s.cfg.BrokerID)
	c := storage.DefaultConfig()
	c.SegmentBytes = int(from.SegmentBytes)
	c.SegmentAge = from.SegmentAge
	c.IndexIntervalBytes = from.IndexIntervalBytes
	c.CleanupDelete = from.CleanupDelete
	c.RetentionAge = forever(from.RetentionAge)
	c.RetentionBytes = max(from.RetentionBytes, -1)
	c.CleanupCompact = from.CleanupCompact
	c.DeleteRetention = from.DeleteRetention
	c.MinCompactionLag = from.MinCompactionLag
	c.MaxCompactionLag = from.MaxCompactionLag
	c.MinCleanableRatio = from.MinCleanableRatio
	c.MaxMessageBytes = from.MaxMessageBytes
	c.SegmentIndexBytes = from.SegmentIndexBytes
	c.SegmentJitter = from.SegmentJitter
	c.CompactionMemory = int(min(img.BrokerInt("log.cleaner.dedupe.buffer.size"), math.MaxInt32))
	c.ProducerExpiration = time.Duration(img.BrokerInt("producer.id.expiration.ms")) * time.Millisecond
	var err error
	if c.Compression, err = batch.ParseCompression(from.CompressionType, from.GzipLevel, from.LZ4Level, from.ZstdLevel); err != nil {
		s.cfg.Logger.Error("batches of a topic are stored as they come", "topic", t.Name, "err", err)
	}
	c.LogAppendTime = from.LogAppendTime
	c.TimestampBeforeMax = from.TimestampBeforeMax
	c.TimestampAfterMax = from.TimestampAfterMax
	flush := from.FlushInterval
	if flush == storage.Forever {
		flush = -1
	}
	return settings{log: c, minISR: from.MinInsyncReplicas, flushMessages: from.FlushMessages, flushInterval: flush}
}

// forever is how storage writes an age without limit.
func forever(d time.Duration) time.Duration {
	if d < 0 {
		return storage.Forever
	}
	return d
}

// configureCleaner bounds what compaction reads and writes.
func (s *Set) configureCleaner(img *metadata.Image) {
	rate, err := strconv.ParseFloat(img.BrokerString("log.cleaner.io.max.bytes.per.second"), 64)
	if err != nil {
		s.cfg.Logger.Error("compaction is not slowed", "err", err)
		rate = 0
	}
	s.throttle.Set(rate)
}
