// Command logarium runs a live Kafka cluster under glass: several brokers in
// one process, and a web console that shows and manages them. It is the only
// package that imports both halves of the program, the engine and the server,
// and wires the one to the other.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "logarium: %v\n", err)
		os.Exit(exitStatus(err)) //nolint:gocritic // the deferred stop only frees the signal handler of a process that ends here
	}
}

// statusError is an error with an exit status of its own; others have 1.
type statusError struct {
	status int
	error
}

// Unwrap returns the cause.
func (e statusError) Unwrap() error { return e.error }

func exitStatus(err error) int {
	var coded statusError
	if errors.As(err, &coded) {
		return coded.status
	}
	return 1
}

// run parses args and runs the command they name until it ends or ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	parsed, err := parse(args, stdout)
	if err != nil || parsed == nil {
		return err
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.BindTo(stdout, (*io.Writer)(nil))
	return parsed.Run(logWriter{stderr})
}
