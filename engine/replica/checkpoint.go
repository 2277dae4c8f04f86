package replica

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
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
)

// readLastRun says whether the last run ended cleanly, and what it knew to be
// on disk. The mark of the clean end is removed: it is true once.
func readLastRun(fsys vfs.FS, log *slog.Logger) (clean bool, points map[string]int64, err error) {
	switch _, err := fsys.Stat(cleanFile); {
	case err == nil:
		clean = true
		if err := errors.Join(fsys.Remove(cleanFile), fsys.SyncDir(".")); err != nil {
			return false, nil, fmt.Errorf("removing the mark of the clean shutdown: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return false, nil, fmt.Errorf("reading the data folder: %w", err)
	}
	raw, err := vfs.ReadFile(fsys, checkpointFile)
	if errors.Is(err, fs.ErrNotExist) {
		return clean, nil, nil
	}
	if err == nil {
		points, err = parseCheckpoint(raw)
	}
	if err != nil { // a cache: without it more is read
		log.Warn("recovery points cannot be read; the logs are read from their start", "file", checkpointFile, "err", err)
		return false, nil, nil
	}
	return clean, points, nil
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
	lines := map[string]string{}
	for _, p := range parts {
		if p.log != nil {
			lines[p.dir()] = fmt.Sprintf("%s %d %d\n", p.topic, p.index, p.log.Synced())
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "0\n%d\n", len(lines))
	for _, dir := range slices.Sorted(maps.Keys(lines)) {
		out.WriteString(lines[dir])
	}
	return replaceFile(s.cfg.FS, checkpointFile, out.Bytes())
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
