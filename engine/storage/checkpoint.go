package storage

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/vfs"
)

// The small text files of a log; docs/format/checkpoints.md.
const (
	metadataFile     = "partition.metadata"
	logStartFile     = "log-start-offset-checkpoint"
	cleanerFile      = "cleaner-offset-checkpoint"
	checkpointFormat = "1"
	crcPrefix        = "crc32c "
)

// errBadCheckpoint is a checkpoint that cannot be believed.
var errBadCheckpoint = errors.New("checkpoint is not usable")

// encodeCheckpoint makes a checkpoint: version, number of lines, lines, CRC.
func encodeCheckpoint(lines []string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n", checkpointFormat, len(lines))
	for _, line := range lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return sealText(b.String())
}

// sealText appends a line with the CRC of all before it.
func sealText(text string) []byte {
	return fmt.Appendf(nil, "%s%s%08x\n", text, crcPrefix, crc32.Checksum([]byte(text), castagnoli))
}

// unsealText checks the last line and returns those before it.
func unsealText(b []byte) ([]string, error) {
	text := string(b)
	at := strings.LastIndex(text, crcPrefix)
	if at < 0 || (at > 0 && text[at-1] != '\n') {
		return nil, fmt.Errorf("%w: no CRC", errBadCheckpoint)
	}
	if string(sealText(text[:at])) != text {
		return nil, fmt.Errorf("%w: wrong CRC", errBadCheckpoint)
	}
	return strings.Split(strings.TrimSuffix(text[:at], "\n"), "\n"), nil
}

// decodeCheckpoint returns the lines of a checkpoint.
func decodeCheckpoint(b []byte) ([]string, error) {
	lines, err := unsealText(b)
	if err != nil {
		return nil, err
	}
	if len(lines) < 2 || lines[0] != checkpointFormat || lines[1] != strconv.Itoa(len(lines)-2) {
		return nil, fmt.Errorf("%w: no header of version %s", errBadCheckpoint, checkpointFormat)
	}
	return lines[2:], nil
}

// writeCheckpoint replaces a checkpoint. It is whole after a crash, the old one
// or the new, and for certain the new one once the folder is synced.
func writeCheckpoint(fs vfs.FS, dir, name string, lines []string) error {
	return vfs.ReplaceFile(fs, path.Join(dir, name), encodeCheckpoint(lines))
}

// readCheckpoint reads what writeCheckpoint wrote.
func readCheckpoint(fs vfs.FS, dir, name string) ([]string, error) {
	b, err := vfs.ReadFile(fs, path.Join(dir, name))
	if err != nil {
		return nil, err
	}
	return decodeCheckpoint(b)
}

// writeOffset writes a checkpoint of one offset.
func writeOffset(fs vfs.FS, dir, name string, offset int64) error {
	return writeCheckpoint(fs, dir, name, []string{strconv.FormatInt(offset, 10)})
}

// readOffset reads a checkpoint of one offset.
func readOffset(fs vfs.FS, dir, name string) (int64, error) {
	lines, err := readCheckpoint(fs, dir, name)
	if err != nil {
		return 0, err
	}
	if len(lines) != 1 {
		return 0, fmt.Errorf("%w: %d lines", errBadCheckpoint, len(lines))
	}
	offset, err := strconv.ParseInt(lines[0], 10, 64)
	if err != nil || offset < 0 {
		return 0, fmt.Errorf("%w: offset %q", errBadCheckpoint, lines[0])
	}
	return offset, nil
}

// encodeMetadata says whose log this is.
func encodeMetadata(id [16]byte) []byte {
	return sealText(fmt.Sprintf("version: 1\ntopic_id: %s\n", base64.RawURLEncoding.EncodeToString(id[:])))
}

// writeLater replaces a small file that the next Sync makes durable with the
// rest: thousands of logs may be made, or get a new leader, at once. What a loss
// of power leaves of it is found by its CRC, and made again from the batches.
func (l *Log) writeLater(name string, b []byte) error {
	if !slices.Contains(l.small, name) {
		l.small = append(l.small, name)
	}
	l.namesDirty = true
	l.dirty.Store(true)
	return vfs.ReplaceLater(l.fs, path.Join(l.dir, name), b)
}

// syncSmall syncs what writeLater wrote.
func (l *Log) syncSmall(name string) error {
	f, err := l.fs.Open(path.Join(l.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was removed meanwhile
	}
	if err != nil {
		return err
	}
	return syncFile(f)
}

// ReadTopicID reads which topic a log's folder belongs to. A damaged file is an
// error, never another id: it is no reason to delete the folder.
func ReadTopicID(fs vfs.FS, dir string) (id [16]byte, err error) {
	b, err := vfs.ReadFile(fs, path.Join(dir, metadataFile))
	if err != nil {
		return id, err
	}
	lines, err := unsealText(b)
	if err != nil {
		return id, err
	}
	text, ok := "", false
	if len(lines) == 2 && lines[0] == "version: 1" {
		text, ok = strings.CutPrefix(lines[1], "topic_id: ")
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || err != nil || len(decoded) != len(id) {
		return id, fmt.Errorf("%w: no topic id", errBadCheckpoint)
	}
	return [16]byte(decoded), nil
}
