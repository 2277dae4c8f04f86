// Command compose checks docker-compose.yml without Docker: by the schema and
// the loader that Docker Compose itself uses, and for what the file promises.
// It is a module of its own, so that the product's go.mod stays lean.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compose FILE")
		os.Exit(2)
	}
	if err := check(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Println(os.Args[1], "is valid")
}

// check loads the file and looks at its one service.
func check(ctx context.Context, file string) error {
	options, err := cli.NewProjectOptions([]string{file})
	if err != nil {
		return err
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return err
	}
	if len(project.Services) != 1 {
		return fmt.Errorf("%d services, want one", len(project.Services))
	}
	service, err := project.GetService("logarium")
	if err != nil {
		return err
	}
	return errors.Join(ports(service), settings(service), hardening(service))
}

// ports: the console and the three brokers, on the loopback address alone.
func ports(s types.ServiceConfig) error {
	var errs []error
	var published []string
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			errs = append(errs, fmt.Errorf("port %s is published on %q", p.Published, p.HostIP))
		}
		if p.Published != strconv.Itoa(int(p.Target)) {
			errs = append(errs, fmt.Errorf("port %d is published as %s: clients are told the former", p.Target, p.Published))
		}
		published = append(published, p.Published)
	}
	if want := []string{"8080", "9092", "9093", "9094"}; !slices.Equal(published, want) {
		errs = append(errs, fmt.Errorf("published are %v, want %v", published, want))
	}
	return errors.Join(errs...)
}

// settings: two listeners, each telling its clients an address they can reach.
func settings(s types.ServiceConfig) error {
	var errs []error
	for name, want := range map[string]string{
		"LOGARIUM_KAFKA": "0.0.0.0:9092", "LOGARIUM_ADVERTISE": "127.0.0.1",
		"LOGARIUM_INTERNAL": "0.0.0.0:29092", "LOGARIUM_INTERNAL_ADVERTISE": s.Hostname,
		"LOGARIUM_CONSOLE": "0.0.0.0:8080", "LOGARIUM_INSECURE": "true",
	} {
		if got := s.Environment[name]; got == nil || *got != want {
			errs = append(errs, fmt.Errorf("%s is not %s", name, want))
		}
	}
	if s.Hostname != s.Name {
		errs = append(errs, fmt.Errorf("host name %q is not the name of the service, by which other containers find it", s.Hostname))
	}
	return errors.Join(errs...)
}

// hardening: nothing writable but the data, no rights, time to stop, and a health check.
func hardening(s types.ServiceConfig) error {
	var errs []error
	if !s.ReadOnly {
		errs = append(errs, errors.New("not read_only"))
	}
	if !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Privileged {
		errs = append(errs, errors.New("capabilities are not dropped"))
	}
	if len(s.Volumes) != 1 || s.Volumes[0].Type != types.VolumeTypeVolume || s.Volumes[0].Target != "/data" {
		errs = append(errs, errors.New("/data is not on one named volume"))
	}
	if s.StopGracePeriod == nil {
		errs = append(errs, errors.New("no stop_grace_period"))
	}
	if s.HealthCheck == nil || !slices.Equal(s.HealthCheck.Test, []string{"CMD", "/logarium", "healthcheck"}) {
		errs = append(errs, errors.New("no health check by the program itself"))
	}
	return errors.Join(errs...)
}
