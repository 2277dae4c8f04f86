package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// Verify holds everything in a data folder against the rules of docs/format and
// gives out what it finds, in the order of the folder. Errors are ErrInUse,
// ErrNoData, those of the disk, of out and of ctx.
func Verify(ctx context.Context, o Options, out func(Item) error) (_ Report, err error) {
	f, err := openFolder(&o)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	v := &verifier{ctx: ctx, fs: o.FS, o: o, out: out, folder: f, image: f.newestImage(), ends: map[*logFolder]scanned{}}
	v.report.Brokers = len(f.brokers)
	v.metadata()
	for _, b := range f.brokers {
		v.broker(b)
		for _, l := range b.logs {
			if err := v.log(l); err != nil {
				return v.report, err
			}
		}
		v.checkpoints(b)
	}
	if err := v.journal(); err != nil {
		return v.report, err
	}
	if err := v.replicas(); err != nil {
		return v.report, err
	}
	return v.report, v.failed
}

// verifier is one Verify.
type verifier struct {
	ctx    context.Context
	fs     vfs.FS
	o      Options
	out    func(Item) error
	folder *folder
	image  *metadata.Image // nil: none can be read
	report Report
	failed error // of out
	ends   map[*logFolder]scanned
	buf    []byte
	// journaled says that there is a journal: what was acknowledged is in it or
	// in the logs.
	journaled bool
}

// scanned is what a scan of a log's segments found.
type scanned struct {
	first, end  int64 // offsets: of the oldest segment, after the last batch
	reach       int64 // end, once the journal is put into the log
	start       int64 // the first that can be read
	cleaned     int64 // compacted up to here
	compacted   bool
	quarantined bool // damage was put aside before
	count       int  // segments
}

// find gives a finding out. After an error of the output nothing is.
func (v *verifier) find(f Finding) {
	if f.Severity == Problem {
		v.report.Problems++
	} else {
		v.report.Notes++
	}
	if v.failed == nil {
		v.failed = v.out(f)
	}
}

// harsh is the severity of what a clean end of the run leaves right, and a
// crash may not.
func (v *verifier) harsh(b *brokerFolder) Severity {
	if b.clean && !v.o.Live {
		return Problem
	}
	return Note
}

// broker checks the files of a broker's folder.
func (v *verifier) broker(b *brokerFolder) {
	finding := func(s Severity, name, format string, args ...any) {
		v.find(Finding{Severity: s, Check: CheckBroker, Broker: b.id, File: b.dir + "/" + name, Detail: fmt.Sprintf(format, args...)})
	}
	cluster, node, err := readIdentity(v.fs, b.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(b.logs) == 0:
	case errors.Is(err, fs.ErrNotExist):
		finding(Problem, identityFile, "it is missing, and there are logs beside it")
	case err != nil:
		finding(Problem, identityFile, "%v", err)
	case node != b.id:
		finding(Problem, identityFile, "it is of broker %d", node)
	case v.image != nil && cluster != v.image.ClusterID():
		finding(Problem, identityFile, "it is of the cluster %s, the metadata of %s", cluster, v.image.ClusterID())
	}
	if b.clean {
		if text, err := vfs.ReadFile(v.fs, b.dir+"/"+cleanFile); err != nil || string(text) != cleanFileText {
			finding(Problem, cleanFile, "it is not as it is written: %q, %v", text, err)
		}
	}
	for _, name := range []string{recoveryFile, watermarkFile} {
		if err := b.errs[name]; err != nil {
			finding(Problem, name, "%v", err)
		}
	}
	for _, name := range b.others {
		switch {
		case slices.Contains([]string{identityFile, cleanFile, recoveryFile, watermarkFile, controllerDir}, name):
		case strings.HasSuffix(name, deleteSuffix):
			finding(v.harsh(b), name, "a log that was being removed; the next start removes it")
		case strings.HasSuffix(name, vfs.TempSuffix):
			finding(v.harsh(b), name, "a file that was being written; the next start writes over it")
		default:
			v.find(Finding{Severity: Note, Check: CheckFile, Broker: b.id, File: b.dir + "/" + name, Detail: "nothing of Logarium has this name here"})
		}
	}
}

// checkpoints holds the recovery points and high watermarks of a broker against
// the logs that were found.
func (v *verifier) checkpoints(b *brokerFolder) {
	if !v.o.Filter.everything() {
		return
	}
	seen := map[logKey]bool{}
	for _, l := range b.logs {
		seen[l.logKey] = true
		if _, ok := b.points[l.logKey]; !ok && b.points != nil && v.harsh(b) == Problem {
			v.find(Finding{Severity: Problem, Check: CheckBounds, Broker: b.id, File: b.dir + "/" + recoveryFile, Detail: l.String() + " has no entry"})
		}
	}
	if b.clean && b.points == nil && b.errs[recoveryFile] == nil {
		v.find(Finding{Severity: v.harsh(b), Check: CheckBounds, Broker: b.id, File: b.dir + "/" + recoveryFile, Detail: "it is missing"})
	}
	for name, offsets := range map[string]map[logKey]int64{recoveryFile: b.points, watermarkFile: b.marks} {
		for key, offset := range offsets {
			if seen[key] {
				continue
			}
			s := Note
			if offset > 0 || v.image != nil && !knows(v.image, key) {
				s = v.harsh(b)
			}
			if s == Problem {
				v.find(Finding{Severity: s, Check: CheckBounds, Broker: b.id, File: b.dir + "/" + name, Detail: fmt.Sprintf("it has offset %d for %s, of which there is no log", offset, key)})
			}
		}
	}
}

func knows(img *metadata.Image, key logKey) bool {
	t := img.Topic(key.topic)
	return t != nil && int(key.index) < len(t.Partitions)
}
