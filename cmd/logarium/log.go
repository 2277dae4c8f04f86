package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/inspect"
	"github.com/logarium/logarium/engine/vfs"
)

// logCmd looks at a data folder offline.
type logCmd struct {
	Dump   logDumpCmd   `cmd:"" help:"Print what is in a data folder, or in one segment file: batches, records, indexes, the metadata log."`
	Verify logVerifyCmd `cmd:"" help:"Check that a data folder is as it should be. Exit status 0: it is; 1: it is not; 2: it cannot be read."`
}

// logFilter says which part of a data folder to look at.
type logFilter struct {
	Topic     []string `help:"Only these topics." placeholder:"NAME"`
	Partition []int32  `help:"Only these partitions." placeholder:"N"`
	Broker    []int32  `help:"Only these brokers." placeholder:"ID"`
	Live      bool     `help:"Look although a running Logarium has the folder open. What it writes meanwhile may be seen by halves."`
	JSON      bool     `name:"json" help:"Print one JSON object a line; docs/log-tools.md names the fields."`
}

// options opens a data folder for reading.
func (c *logFilter) options(dir string) (inspect.Options, error) {
	disk, err := vfs.ReadOnly(dir)
	if err != nil {
		return inspect.Options{}, fmt.Errorf("the data folder %s cannot be read: %w", dir, err)
	}
	return inspect.Options{
		FS: disk, Live: c.Live,
		Filter: inspect.Filter{Topics: c.Topic, Partitions: c.Partition, Brokers: c.Broker},
	}, nil
}

// printer prints items, and keeps the first error of the output.
func (c *logFilter) printer(w io.Writer) func(inspect.Item) error {
	if c.JSON {
		return func(item inspect.Item) error { return inspect.WriteJSON(w, item) }
	}
	return func(item inspect.Item) error {
		_, err := fmt.Fprintln(w, item.Text())
		return err
	}
}

// logDumpCmd prints a data folder.
type logDumpCmd struct {
	logFilter
	Path     string         `arg:"" optional:"" help:"The data folder, or a segment file of Logarium or of Apache Kafka; default ${default}." default:"./logarium-data" env:"LOGARIUM_DATA"`
	Offsets  string         `help:"Only batches and records with offsets in this range, both ends included; either may be left out." placeholder:"FROM..TO"`
	Show     []inspect.Part `help:"What to print: ${parts}. Default: everything but records and entries." placeholder:"PART"`
	Records  bool           `help:"Print records, too."`
	Format   inspect.Format `help:"How to print keys and values: auto, text or hex; default ${default}." enum:"auto,text,hex" default:"auto"`
	MaxBytes int            `help:"Most bytes of each key and value that are printed; -1: all. Default ${default}." default:"1000" placeholder:"N"`
}

// Run prints it.
func (c *logDumpCmd) Run(ctx context.Context, stdout io.Writer, stderr logWriter) error {
	parts, err := c.parts()
	if err != nil {
		return err
	}
	from, until, err := parseOffsets(c.Offsets)
	if err != nil {
		return err
	}
	dir, file := c.Path, ""
	if info, err := os.Stat(c.Path); err == nil && !info.IsDir() {
		// The folder above the partition's: the name of the partition is of use.
		if dir, err = filepath.Abs(filepath.Join(filepath.Dir(c.Path), "..")); err != nil {
			return err
		}
		if file, err = filepath.Abs(c.Path); err != nil {
			return err
		}
		if file, err = filepath.Rel(dir, file); err != nil {
			return err
		}
	}
	o, err := c.options(dir)
	if err != nil {
		return err
	}
	o.Filter.From, o.Filter.Until = from, until
	options := inspect.DumpOptions{Options: o, Parts: parts, Format: c.Format, MaxBytes: c.MaxBytes}
	out := bufio.NewWriterSize(stdout, 64<<10)
	if c.Live && file == "" {
		fmt.Fprintln(stderr, "logarium: reading a folder that may be in use: what is being written may be seen by halves")
	}
	if file != "" {
		err = inspect.DumpSegment(ctx, options, filepath.ToSlash(file), c.printer(out))
	} else {
		err = inspect.Dump(ctx, options, c.printer(out))
	}
	return errors.Join(explainFolder(err), out.Flush())
}

// parts are what is to be printed.
func (c *logDumpCmd) parts() ([]inspect.Part, error) {
	all := inspect.Parts()
	if len(c.Show) == 0 {
		var parts []inspect.Part
		for _, p := range all {
			if p != inspect.PartRecords && p != inspect.PartEntries || p == inspect.PartRecords && c.Records {
				parts = append(parts, p)
			}
		}
		return parts, nil
	}
	parts := c.Show
	for _, p := range parts {
		if !slices.Contains(all, p) {
			return nil, fmt.Errorf("--show %s: there is %s", p, partNames())
		}
	}
	if c.Records {
		parts = append(parts, inspect.PartRecords)
	}
	return parts, nil
}

// partNames lists what --show can name.
func partNames() string {
	var names []string
	for _, p := range inspect.Parts() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// parseOffsets reads FROM..TO, either of which may be missing. until is the
// offset after TO, 0 if there is none.
func parseOffsets(s string) (from, until int64, err error) {
	if s == "" {
		return 0, 0, nil
	}
	first, last, ok := strings.Cut(s, "..")
	if !ok {
		last = first
	}
	if first != "" {
		from, err = strconv.ParseInt(first, 10, 62)
	}
	if last != "" && err == nil {
		until, err = strconv.ParseInt(last, 10, 62)
		until++
	}
	if err != nil || from < 0 || until < 0 || until > 0 && until <= from {
		return 0, 0, fmt.Errorf("--offsets %q is not FROM..TO", s)
	}
	return from, until, nil
}

// explainFolder says what to do about a folder that cannot be looked at.
func explainFolder(err error) error {
	if errors.Is(err, inspect.ErrInUse) {
		return fmt.Errorf("%w: stop it, or look at it as it is with --live", err)
	}
	return err
}
