package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kfake"
)

// serveEnv makes this test binary a small server, for the tests of `bench start`.
const serveEnv = "LOGARIUM_BENCH_TEST_SERVE"

func TestMain(m *testing.M) {
	if addrs := os.Getenv(serveEnv); addrs != "" {
		serve(addrs)
		return
	}
	os.Exit(m.Run())
}

// serve runs a fake cluster of one and a page, until SIGTERM. addrs is "KAFKAPORT,CONSOLEADDR".
func serve(addrs string) {
	kafka, console, _ := strings.Cut(addrs, ",")
	var port int
	if _, err := fmt.Sscan(kafka, &port); err != nil {
		panic(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	if err != nil {
		fmt.Println("cannot serve:", err)
		os.Exit(1)
	}
	defer cluster.Close()
	go func() {
		panic(http.ListenAndServe(console, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "a page")
		})))
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

// runCLI runs one command line of `bench` as main would.
func runCLI(t *testing.T, out any, args ...string) error {
	t.Helper()
	var cmd Cmd
	parser, err := kong.New(&cmd, kong.Name("bench"), kong.Exit(func(int) { t.Fatal("kong wants to exit") }))
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	parsed, err := parser.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	parsed.BindTo(t.Context(), (*context.Context)(nil))
	parsed.BindTo(&stdout, (*io.Writer)(nil))
	err = parsed.Run()
	if out != nil && stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
			t.Fatalf("output is not JSON: %v\n%s", err, stdout.String())
		}
	}
	t.Log(stdout.String())
	return err
}

func fakeCluster(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.DefaultNumPartitions(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return strings.Join(c.ListenAddrs(), ",")
}

func TestProduceThenConsume(t *testing.T) {
	addr := fakeCluster(t)
	for i, flags := range [][]string{
		{"--records=5000", "--producers=3", "--compression=zstd", "--size=200"},
		{"--records=0", "--duration=300ms", "--rate=2000", "--acks=1", "--linger=1ms"},
		{"--records=1000", "--acks=0"},
	} {
		var res ProduceResult
		topic := fmt.Sprintf("--topic=t%d", i)
		args := append([]string{"produce", "--json", "--bootstrap=" + addr, topic, "--partitions=4"}, flags...)
		if err := runCLI(t, &res, args...); err != nil {
			t.Fatalf("%v: %v", flags, err)
		}
		if res.Acked == 0 || res.Partitions != 4 || res.AckMS.Count != res.Acked || res.AckMS.Max < res.AckMS.P50 {
			t.Errorf("%v: %+v", flags, res)
		}
		if i < 2 && (res.Verify == nil || !res.Verify.OK || res.Verify.Consumed != res.Acked) {
			t.Errorf("%v: not verified: %+v", flags, res.Verify)
		}
		var read ConsumeResult
		if err := runCLI(t, &read, "consume", "--json", "--bootstrap="+addr, topic, "--consumers=2"); err != nil {
			t.Fatalf("consume: %v", err)
		}
		if read.Records != res.Acked || read.Bytes != res.Acked*int64(res.Size) || read.Audit != (Audit{}) {
			t.Errorf("%v: read %+v after %d were acknowledged", flags, read, res.Acked)
		}
	}
}

func TestConsumeStopsAtRecords(t *testing.T) {
	addr := fakeCluster(t)
	if err := runCLI(t, nil, "produce", "--bootstrap="+addr, "--records=1000"); err != nil {
		t.Fatal(err)
	}
	var read ConsumeResult
	if err := runCLI(t, &read, "consume", "--json", "--bootstrap="+addr, "--records=100"); err != nil || read.Records != 100 {
		t.Fatalf("read %d, %v", read.Records, err)
	}
}

func TestE2E(t *testing.T) {
	var res E2EResult
	err := runCLI(t, &res, "e2e", "--json", "--bootstrap="+fakeCluster(t), "--rate=500", "--warmup=200ms", "--duration=500ms", "--producers=2")
	if err != nil {
		t.Fatal(err)
	}
	if !res.Verify.OK || res.Verify.Acked != 350 || res.ReceivedMS.Count != 250 || res.AckMS.Count != 250 {
		t.Errorf("%+v", res)
	}
}

func TestStart(t *testing.T) {
	port, console := freeAddr(t), freeAddr(t)
	_, kafka, _ := net.SplitHostPort(port)
	t.Setenv(serveEnv, kafka+","+console)
	var res StartResult
	err := runCLI(t, &res, "start", "--json", "--runs=2", "--bootstrap="+port, "--console=http://"+console+"/", "--", os.Args[0], "{data}", "--flag")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Runs {
		if r.ListenMS <= 0 || r.AckMS < r.ListenMS || r.PageMS <= 0 || r.ExitCode != 0 {
			t.Errorf("%+v", r)
		}
	}
	if len(res.Runs) != 2 || res.Median.AckMS <= 0 || res.Command[2] != "--flag" {
		t.Errorf("%+v", res)
	}
}

func TestStartOfWhatEndsAtOnce(t *testing.T) {
	err := runCLI(t, nil, "start", "--runs=1", "--timeout=20s", "--bootstrap="+freeAddr(t), "--", "sh", "-c", "echo no such thing; exit 3")
	if err == nil || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v", err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestBadSettings(t *testing.T) {
	for _, args := range [][]string{
		{"produce", "--size=10"},
		{"produce", "--records=0"},
		{"produce", "--producers=0"},
		{"produce", "--partitions=0"},
		{"produce", "--linger=-1s"},
		{"consume", "--consumers=0"},
		{"e2e", "--rate=0"},
		{"e2e", "--acks=0"},
		{"start", "--runs=0", "--", "true"},
	} {
		if err := runCLI(t, nil, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestNoClusterIsAnError(t *testing.T) {
	err := runCLI(t, nil, "produce", "--bootstrap="+freeAddr(t), "--timeout=300ms")
	if err == nil {
		t.Fatal("no error")
	}
}

func TestPart(t *testing.T) {
	for _, c := range []struct {
		total int64
		n     int
		want  []int64
	}{{10, 3, []int64{4, 3, 3}}, {2, 4, []int64{1, 1, 0, 0}}, {0, 2, []int64{0, 0}}} {
		for i, want := range c.want {
			if got := part(c.total, c.n, i); got != want {
				t.Errorf("part(%d, %d, %d) = %d, want %d", c.total, c.n, i, got, want)
			}
		}
	}
}

func TestPaceIsOpenLoop(t *testing.T) {
	begin := time.Unix(100, 0)
	p := pace{begin, 1000}
	if got := p.due(2500).Sub(begin); got != 2500*time.Millisecond {
		t.Errorf("due after %v", got)
	}
}
