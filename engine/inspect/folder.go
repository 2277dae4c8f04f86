package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// The names in a data folder; docs/format/broker-folder.md.
const (
	lockFile       = ".lock"
	brokerPrefix   = "broker-"
	deleteSuffix   = "-delete"
	identityFile   = "meta.properties"
	cleanFile      = ".kafka_cleanshutdown"
	recoveryFile   = "recovery-point-offset-checkpoint"
	watermarkFile  = "replication-offset-checkpoint"
	controllerDir  = metadata.ClusterMetadataTopic + "-0"
	journalDir     = "journal"
	cleanFileText  = "{\"version\":0}\n"
	identityFormat = "version=1\ncluster.id=%s\nnode.id=%d\n"
)

// ErrInUse is a data folder that a running process has open.
var ErrInUse = errors.New("the data folder is in use by a running Logarium")

// ErrNoData is a folder that is no data folder.
var ErrNoData = errors.New("no data of Logarium: there is no folder broker-1 in it")

// Options say what to look at.
type Options struct {
	FS vfs.FS // of the data folder
	// Live looks although a process has the folder open. What changes under
	// the reader's eyes is then no fault.
	Live   bool
	Filter Filter
}

// Filter leaves out what is not asked for. The zero value asks for everything.
type Filter struct {
	Topics     []string
	Partitions []int32
	Brokers    []int32
	// From and Until are offsets: batches that end below From or begin at
	// Until or above are left out of a Dump. Until 0 is no bound.
	From, Until int64
}

func (f *Filter) broker(id int32) bool {
	return len(f.Brokers) == 0 || slices.Contains(f.Brokers, id)
}

func (f *Filter) partition(topic string, index int32) bool {
	return (len(f.Topics) == 0 || slices.Contains(f.Topics, topic)) &&
		(len(f.Partitions) == 0 || slices.Contains(f.Partitions, index))
}

// everything reports whether the cluster's own files are asked for, too.
func (f *Filter) everything() bool { return len(f.Topics) == 0 && len(f.Partitions) == 0 }

// before and after say whether a range of offsets is left out for its place.
func (f *Filter) before(last int64) bool { return last < f.From }
func (f *Filter) after(first int64) bool { return f.Until > 0 && first >= f.Until }

// folder is a data folder.
type folder struct {
	fs      vfs.FS
	lock    io.Closer
	brokers []*brokerFolder // by id
}

// brokerFolder is the part of a data folder that is one broker's.
type brokerFolder struct {
	id     int32
	dir    string
	clean  bool             // its last run ended cleanly
	logs   []*logFolder     // by topic and partition
	others []string         // names in it that are no logs
	points map[logKey]int64 // recovery points; nil: none that can be read
	marks  map[logKey]int64 // high watermarks
	meta   *storedMetadata  // its controller's folder
	errs   map[string]error // by the name of a file that cannot be read
}

// logKey names a partition.
type logKey struct {
	topic string
	index int32
}

func (k logKey) String() string { return k.topic + "-" + strconv.Itoa(int(k.index)) }

func compareKeys(a, b logKey) int {
	return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.index, b.index))
}

// logFolder is the folder of one replica's log.
type logFolder struct {
	logKey
	broker *brokerFolder
	dir    string
}

// openFolder takes the lock, unless told to look anyway, and lists what is
// there. Its close gives the lock back.
func openFolder(o *Options) (*folder, error) {
	f := &folder{fs: o.FS}
	lock, err := o.FS.Lock(lockFile)
	switch {
	case err == nil:
		f.lock = lock
	case errors.Is(err, vfs.ErrLocked) && o.Live, errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, vfs.ErrLocked):
		return nil, ErrInUse
	default:
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	if err := f.list(&o.Filter); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *folder) close() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Close()
}

// list finds the brokers and their logs.
func (f *folder) list(filter *Filter) error {
	names, err := f.fs.List(".")
	if err != nil {
		return fmt.Errorf("listing the data folder: %w", err)
	}
	found := false
	for _, name := range names {
		id, ok := brokerID(name)
		if !ok {
			continue
		}
		found = true
		if !filter.broker(id) {
			continue
		}
		b := &brokerFolder{id: id, dir: name, errs: map[string]error{}}
		if err := b.list(f.fs, filter); err != nil {
			return err
		}
		f.brokers = append(f.brokers, b)
	}
	if !found {
		return ErrNoData
	}
	slices.SortFunc(f.brokers, func(a, b *brokerFolder) int { return cmp.Compare(a.id, b.id) })
	return nil
}

func brokerID(name string) (int32, bool) {
	digits, ok := strings.CutPrefix(name, brokerPrefix)
	n, err := strconv.ParseInt(digits, 10, 32)
	return int32(n), ok && err == nil && strconv.Itoa(int(n)) == digits
}

func (b *brokerFolder) list(fsys vfs.FS, filter *Filter) error {
	names, err := fsys.List(b.dir)
	if err != nil {
		return fmt.Errorf("listing %s: %w", b.dir, err)
	}
	for _, name := range names {
		key, ok := splitLog(name)
		if !ok || name == controllerDir {
			b.others = append(b.others, name)
			continue
		}
		if filter.partition(key.topic, key.index) {
			b.logs = append(b.logs, &logFolder{logKey: key, broker: b, dir: b.dir + "/" + name})
		}
	}
	slices.SortFunc(b.logs, func(x, y *logFolder) int { return compareKeys(x.logKey, y.logKey) })
	b.clean = slices.Contains(names, cleanFile)
	b.points = b.readOffsets(fsys, names, recoveryFile)
	b.marks = b.readOffsets(fsys, names, watermarkFile)
	if slices.Contains(names, controllerDir) {
		b.meta, err = readMetadata(fsys, b.dir+"/"+controllerDir)
		if err != nil {
			b.errs[controllerDir] = err
		}
	}
	return nil
}

// readOffsets reads a checkpoint of one offset for each log, if it is there.
func (b *brokerFolder) readOffsets(fsys vfs.FS, names []string, name string) map[logKey]int64 {
	if !slices.Contains(names, name) {
		return nil
	}
	raw, err := vfs.ReadFile(fsys, b.dir+"/"+name)
	if err == nil {
		var offsets map[logKey]int64
		if offsets, err = parseOffsets(raw); err == nil {
			return offsets
		}
	}
	b.errs[name] = err
	return nil
}

// splitLog reads the name of a log's folder.
func splitLog(name string) (logKey, bool) {
	at := strings.LastIndexByte(name, '-')
	if at <= 0 {
		return logKey{}, false
	}
	n, err := strconv.ParseUint(name[at+1:], 10, 31)
	key := logKey{name[:at], int32(n)}
	return key, err == nil && key.String() == name
}

// parseOffsets reads Kafka's checkpoint of version 0, which holds no checksum:
// it must be exactly as it is written.
func parseOffsets(raw []byte) (map[logKey]int64, error) {
	lines := strings.Split(string(raw), "\n")
	if len(lines) < 3 || lines[0] != "0" || lines[len(lines)-1] != "" {
		return nil, errors.New("it is no checkpoint of version 0 that ends with a line")
	}
	entries := lines[2 : len(lines)-1]
	if lines[1] != strconv.Itoa(len(entries)) {
		return nil, fmt.Errorf("it announces %q entries and has %d", lines[1], len(entries))
	}
	offsets := map[logKey]int64{}
	for _, line := range entries {
		words := strings.Split(line, " ")
		if len(words) != 3 {
			return nil, fmt.Errorf("entry %q has not three words", line)
		}
		index, err1 := strconv.ParseUint(words[1], 10, 31)
		offset, err2 := strconv.ParseUint(words[2], 10, 63)
		key := logKey{words[0], int32(index)}
		if _, twice := offsets[key]; err1 != nil || err2 != nil || twice || fmt.Sprintf("%s %d %d", words[0], index, offset) != line {
			return nil, fmt.Errorf("entry %q is not a topic, a partition and an offset", line)
		}
		offsets[key] = int64(offset)
	}
	return offsets, nil
}
