package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"
)

// brokerTimeout bounds what a broker is asked to do: the console gives a stop
// and a start 30 s.
const brokerTimeout = 40 * time.Second

// brokerCmd acts on the brokers of a running Logarium by way of its console.
type brokerCmd struct {
	List   brokerListCmd `cmd:"" help:"List the brokers: their states, addresses, leaders and replicas."`
	Stop   brokerActCmd  `cmd:"" help:"Shut a broker down in order: others take over what it leads first."`
	Kill   brokerActCmd  `cmd:"" help:"End a broker as by a loss of power: connections are cut, nothing is written any more."`
	Pause  brokerActCmd  `cmd:"" help:"Hold a broker as kill -STOP holds a process: it neither reads nor answers."`
	Resume brokerActCmd  `cmd:"" help:"Let a paused broker go on."`
	Start  brokerActCmd  `cmd:"" help:"Start a broker that is stopped, killed or failed."`
}

// brokerAsk is how the running Logarium is reached.
type brokerAsk struct {
	Console string `help:"Address or URL of the console; default ${default}." default:"127.0.0.1:8080" env:"LOGARIUM_CONSOLE" placeholder:"HOST:PORT"`
	JSON    bool   `name:"json" help:"Print the console's answer as JSON."`
}

// ask sends a request to the console and reads its answer.
func (c *brokerAsk) ask(ctx context.Context, method, path string, answer any) (raw []byte, err error) {
	base, url := strings.TrimSuffix(c.Console, "/"), strings.TrimSuffix(c.Console, "/")+path
	if !strings.Contains(base, "://") {
		url = "http://" + reachable(base) + path
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, fmt.Errorf("--console %q is neither host:port nor a URL: %w", c.Console, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no console answers: %w; start Logarium, or say by --console where it runs", err)
	}
	defer resp.Body.Close()
	if raw, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		var refused struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(raw, &refused) != nil || refused.Error == "" {
			return nil, fmt.Errorf("%s answered %s", url, resp.Status)
		}
		return nil, fmt.Errorf("%s", refused.Error)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return nil, fmt.Errorf("%s did not answer as the console of a Logarium: %w", url, err)
	}
	return raw, nil
}

// brokerActCmd does one thing with one broker.
type brokerActCmd struct {
	ID int32 `arg:"" help:"The broker's id, 1 to the number of brokers."`
	brokerAsk
}

// Run does what the command is named for.
func (c *brokerActCmd) Run(ctx context.Context, parsed *kong.Context, stdout io.Writer) error {
	var answer struct {
		ID    int32  `json:"id"`
		State string `json:"state"`
	}
	raw, err := c.ask(ctx, http.MethodPost, fmt.Sprintf("/brokers/%d/%s", c.ID, parsed.Selected().Name), &answer)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = fmt.Fprintln(stdout, strings.TrimSpace(string(raw)))
		return err
	}
	_, err = fmt.Fprintf(stdout, "broker %d is %s\n", answer.ID, answer.State)
	return err
}

// brokerListCmd lists the brokers.
type brokerListCmd struct {
	brokerAsk
}

// Run lists them.
func (c *brokerListCmd) Run(ctx context.Context, stdout io.Writer) error {
	var answer struct {
		Brokers []struct {
			ID         int32  `json:"id"`
			State      string `json:"state"`
			Fenced     bool   `json:"fenced"`
			Controller bool   `json:"controller"`
			Address    string `json:"address"`
			Rack       string `json:"rack"`
			Leaders    int    `json:"leaders"`
			Replicas   int    `json:"replicas"`
			InSync     int    `json:"in_sync"`
		} `json:"brokers"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/brokers.json", &answer)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = fmt.Fprintln(stdout, strings.TrimSpace(string(raw)))
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tADDRESS\tRACK\tLEADS\tREPLICAS\tIN SYNC\tCONTROLLER")
	for _, b := range answer.Brokers {
		state, rack, controller := b.State, b.Rack, ""
		if b.Fenced && state == "running" {
			state += ", fenced"
		}
		if rack == "" {
			rack = "-"
		}
		if b.Controller {
			controller = "active"
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", b.ID, state, b.Address, rack, b.Leaders, b.Replicas, b.InSync, controller)
	}
	return table.Flush()
}
