package main

import (
	"strings"
	"testing"
)

// The brokers of a running program are stopped and started by the command line.
func TestBroker_CommandsActOnARunningProgram(t *testing.T) {
	p := start(t, quiet(t.TempDir(), "--racks", "a,b,c")...)
	run := func(args ...string) (string, error) {
		out, err := command(testContext(t), t, append([]string{"broker"}, append(args, "--console", p.Console)...)...).CombinedOutput()
		return string(out), err
	}
	for _, step := range []struct {
		args string
		want string // in the output
		ok   bool
	}{
		{"list", "1   running", true},
		{"stop 2", "broker 2 is stopped", true},
		{"pause 2", "Broker 2 is stopped", false},
		{"start 2", "broker 2 is running", true},
		{"pause 3", "broker 3 is paused", true},
		{"list", "3   paused", true},
		{"resume 3", "broker 3 is running", true},
		{"kill 1 --json", `{"id":1,"state":"killed"}`, true},
		{"kill 7", "no broker 7", false},
		{"list --json", `"rack":"c"`, true},
		{"start 1", "broker 1 is running", true},
	} {
		out, err := run(strings.Fields(step.args)...)
		if (err == nil) != step.ok || !strings.Contains(out, step.want) {
			t.Fatalf("broker %s: %v: %s", step.args, err, out)
		}
	}
	if status, body := get(t, p.Console+"/readyz"); status != 200 {
		t.Errorf("GET /readyz: %d %s", status, body)
	}
	p.Stop()
	if out, err := run("list"); err == nil || !strings.Contains(out, "no console answers") {
		t.Errorf("without a console: %v: %s", err, out)
	}
}
