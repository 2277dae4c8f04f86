package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/logarium/logarium/cmd/logarium/bench"
)

// version is set when a release is built; a build from source says what it knows.
var version = "" //nolint:gochecknoglobals // written by the linker

// cli is the whole command line. Each setting is a flag, an environment
// variable and a key of the YAML file, in that order of precedence.
type cli struct {
	Config string `help:"Read settings from this YAML file: the flags' names as keys, without the dashes in front." placeholder:"FILE" env:"LOGARIUM_CONFIG"`

	Serve       serveCmd       `cmd:"" default:"withargs" help:"Run the brokers and the console (the default)."`
	Broker      brokerCmd      `cmd:"" help:"Stop, kill, pause and start the brokers of a running Logarium, one by one."`
	Bench       bench.Cmd      `cmd:"" help:"Measure any Kafka cluster: produce, consume, end to end, start."`
	Log         logCmd         `cmd:"" help:"Look at a data folder that is not in use: dump, verify."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running Logarium whether it is ready; exit code 0 if it is."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// logWriter is where a command's log goes.
type logWriter struct{ io.Writer }

// errHelp ends parsing after the help was printed.
var errHelp = errors.New("help printed")

// parse reads the command line, the environment and the settings file. It
// returns nil and no error when the help was asked for and printed.
func parse(args []string, stdout io.Writer) (parsed *kong.Context, err error) {
	var c cli
	resolver, err := findSettings(args)
	if err != nil {
		return nil, err
	}
	parser, err := kong.New(&c,
		kong.Resolvers(resolver),
		kong.Name("logarium"),
		kong.Vars{"parts": partNames()},
		kong.Description("A live Kafka cluster under glass: brokers for any Kafka client, and a console that shows them work."),
		kong.Writers(stdout, stdout),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(int) { panic(errHelp) }),
	)
	if err != nil {
		return nil, fmt.Errorf("reading the command line's own definition: %w", err)
	}
	defer func() {
		if r := recover(); r == errHelp { //nolint:errorlint // the very value that Exit above panics with
			parsed, err = nil, nil
		} else if r != nil {
			panic(r)
		}
	}()
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		args = append([]string{"serve"}, args...) // what most people look for
	}
	parsed, err = parser.Parse(args)
	if err != nil {
		return nil, fmt.Errorf("%w; see logarium --help", err)
	}
	return parsed, nil
}

// versionCmd prints the version.
type versionCmd struct{}

// Run prints it.
func (versionCmd) Run(stdout io.Writer) error {
	_, err := fmt.Fprintln(stdout, "logarium", buildVersion())
	return err
}

// buildVersion is the release's version, or what the Go tool recorded of the
// source it was built from.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
