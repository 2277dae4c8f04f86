package replica

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/vfs"
)

// Files of a broker's folder beside the logs; see docs/format/broker-folder.md.
const (
	identityFile   = "meta.properties"
	cleanFile      = ".kafka_cleanshutdown"
	checkpointFile = "recovery-point-offset-checkpoint"
	watermarksFile = "replication-offset-checkpoint"
)

// lastRun is what the last run left, by the folders of the logs.
type lastRun struct {
	clean      bool             // it ended with Close(true)
	points     map[string]int64 // how far each log is on disk
	watermarks map[string]int64
}

// readLastRun says whether the last run ended cleanly, and what it knew to be
// on disk and committed. The mark of the clean end is removed: it is true once.
func readLastRun(fsys vfs.FS, log *slog.Logger) (last lastRun, err error) {
	switch _, err := fsys.Stat(cleanFile); {
	case err == nil:
		last.clean = true
		if err := errors.Join(fsys.Remove(cleanFile), fsys.SyncDir(".")); err != nil {
			return last, fmt.Errorf("removing the mark of the clean shutdown: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return last, fmt.Errorf("reading the data folder: %w", err)
	}
	if last.points, err = readCheckpoint(fsys, checkpointFile); err != nil { // a cache: without it more is read
		log.Warn("recovery points cannot be read; the logs are read from their start", "file", checkpointFile, "err", err)
		last.clean = false
	}
	if last.watermarks, err = readCheckpoint(fsys, watermarksFile); err != nil { // leaders find them anew
		log.Warn("high watermarks cannot be read; they begin at the starts of the logs", "file", watermarksFile, "err", err)
	}
	return last, nil
}

// readCheckpoint reads a file of offsets, which need not be there.
func readCheckpoint(fsys vfs.FS, name string) (map[string]int64, error) {
	raw, err := vfs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseCheckpoint(raw)
}

// parseCheckpoint reads Kafka's format of version 0: the version, the number of
// lines, and for each partition "topic partition offset".
func parseCheckpoint(raw []byte) (map[string]int64, error) {
	in := bufio.NewScanner(bytes.NewReader(raw))
	number := func(what string) (int, error) {
		if !in.Scan() {
			return 0, fmt.Errorf("%s is missing", what)
		}
		return strconv.Atoi(in.Text())
	}
	version, err := number("the version")
	if err != nil {
		return nil, err
	}
	if version != 0 {
		return nil, fmt.Errorf("version %d is not 0", version)
	}
	count, err := number("the number of entries")
	if err != nil {
		return nil, err
	}
	points := map[string]int64{}
	for in.Scan() {
		f := strings.Fields(in.Text())
		if len(f) != 3 {
			return nil, fmt.Errorf("entry %q has not three words", in.Text())
		}
		index, err1 := strconv.ParseInt(f[1], 10, 32)
		offset, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil || index < 0 || offset < 0 {
			return nil, fmt.Errorf("entry %q has no partition and offset", in.Text())
		}
		points[folder(f[0], int32(index))] = offset
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	if len(points) != count {
		return nil, fmt.Errorf("%d entries, but %d were announced", len(points), count)
	}
	return points, nil
}

// writeCheckpoint writes how far each log is known to be on disk.
func (s *Set) writeCheckpoint(parts []*Partition) error {
	return s.writeOffsets(checkpointFile, parts, func(p *Partition) int64 { return p.log.Synced() })
}

// writeWatermarks writes the high watermarks.
func (s *Set) writeWatermarks(parts []*Partition) error {
	return s.writeOffsets(watermarksFile, parts, (*Partition).HighWatermark)
}

// writeOffsets writes an offset for each replica, in Kafka's format.
func (s *Set) writeOffsets(name string, parts []*Partition, of func(*Partition) int64) error {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p *Partition) bool { return p.log == nil })
	slices.SortFunc(parts, func(a, b *Partition) int {
		return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.index, b.index))
	})
	out := make([]byte, 0, 32*len(parts)+16)
	out = fmt.Appendf(out, "0\n%d\n", len(parts))
	for _, p := range parts {
		out = append(append(out, p.topic...), ' ')
		out = append(strconv.AppendInt(out, int64(p.index), 10), ' ')
		out = append(strconv.AppendInt(out, of(p), 10), '\n')
	}
	return replaceFile(s.cfg.FS, name, out)
}

func writeCleanMark(fsys vfs.FS) error {
	return replaceFile(fsys, cleanFile, []byte("{\"version\":0}\n"))
}

// claimIdentity makes the folder that of this cluster and broker, or says that
// it is another's. The format is that of Kafka's meta.properties.
func (s *Set) claimIdentity(cluster string) error {
	raw, err := vfs.ReadFile(s.cfg.FS, identityFile)
	if errors.Is(err, fs.ErrNotExist) {
		text := fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\n", cluster, s.cfg.BrokerID)
		return replaceFile(s.cfg.FS, identityFile, []byte(text))
	}
	if err != nil {
		return err
	}
	have := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			have[name] = value
		}
	}
	if have["cluster.id"] != cluster || have["node.id"] != strconv.Itoa(int(s.cfg.BrokerID)) {
		return fmt.Errorf("%w: it belongs to broker %q of cluster %q, this is broker %d of cluster %q; its logs are left alone, see %s",
			ErrForeign, have["node.id"], have["cluster.id"], s.cfg.BrokerID, cluster, identityFile)
	}
	return nil
}

// replaceFile writes a file of the broker's folder so that after a crash the
// old or the new one is there, whole, and the new one once it has returned.
func replaceFile(fsys vfs.FS, name string, content []byte) error {
	err := vfs.ReplaceFile(fsys, name, content)
	if err == nil {
		err = fsys.SyncDir(".")
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
