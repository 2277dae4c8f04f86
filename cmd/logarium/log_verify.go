package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/logarium/logarium/engine/inspect"
)

// The exit statuses of log verify.
const (
	statusProblems   = 1
	statusUnreadable = 2
)

// logVerifyCmd checks a data folder.
type logVerifyCmd struct {
	logFilter
	Path string `arg:"" optional:"" help:"The data folder; default ${default}." default:"./logarium-data" env:"LOGARIUM_DATA"`
}

// Run checks it.
func (c *logVerifyCmd) Run(ctx context.Context, stdout io.Writer, stderr logWriter) error {
	o, err := c.options(c.Path)
	if err != nil {
		return statusError{statusUnreadable, err}
	}
	if c.Live {
		fmt.Fprintln(stderr, "logarium: reading a folder that may be in use: what is being written is not judged")
	}
	out := bufio.NewWriter(stdout)
	write := c.printer(out)
	report, err := inspect.Verify(ctx, o, write)
	if err == nil {
		err = write(report)
	}
	if err = errors.Join(explainFolder(err), out.Flush()); err != nil {
		return statusError{statusUnreadable, err}
	}
	if report.Problems > 0 {
		return statusError{statusProblems, fmt.Errorf("%s is not as it should be; problems: %d", c.Path, report.Problems)}
	}
	return nil
}
