module github.com/logarium/logarium

go 1.26.0

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0 // latencies of the bench
	github.com/PuerkitoBio/goquery v1.13.0 // tests: rendered pages
	github.com/a-h/templ v0.3.1020 // pages
	github.com/alecthomas/kong v1.17.0 // settings: flags, environment, help
	github.com/chromedp/cdproto v0.159.0 // tests: a real browser
	github.com/chromedp/chromedp v0.23.0 // tests: a real browser
	github.com/google/go-cmp v0.7.0 // tests: differences in words
	github.com/klauspost/compress v1.20.3 // gzip, snappy and zstd of record batches
	github.com/labstack/echo/v4 v4.16.0 // routes of the console
	github.com/pierrec/lz4/v4 v4.1.33 // lz4 of record batches
	github.com/r3labs/sse/v2 v2.10.0 // event streams, behind server/live
	github.com/twmb/franz-go v1.22.2 // Kafka client of the console, codecs and errors of the engine
	github.com/twmb/franz-go/pkg/kadm v1.19.0 // administration by the console and the demo
	github.com/twmb/franz-go/pkg/kfake v0.0.0-20260918054303-01f206a7e32c // tests: a fake cluster for the console
	github.com/twmb/franz-go/pkg/kmsg v1.15.0 // messages of the Kafka protocol
	go.etcd.io/raft/v3 v3.7.0 // the metadata quorum
	go.uber.org/goleak v1.3.0 // tests: goroutines that outlive their owner
	golang.org/x/net v0.58.0 // tests: nettest for the network in memory
	golang.org/x/sync v0.24.0 // errgroup, and the semaphore of the memory budget
	golang.org/x/sys v0.49.0 // fdatasync and file locks
	google.golang.org/protobuf v1.36.11 // raft's messages
	gopkg.in/yaml.v3 v3.0.1 // the settings file
	pgregory.net/rapid v1.3.0 // tests: properties
)

require (
	github.com/a-h/parse v0.0.0-20250122154542-74294addb73e // indirect
	github.com/andybalholm/brotli v1.1.0 // indirect
	github.com/andybalholm/cascadia v1.3.4 // indirect
	github.com/anishathalye/porcupine v1.3.1 // tests: linearizability of a log
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/cli/browser v1.3.0 // indirect
	github.com/fatih/color v1.16.0 // indirect
	github.com/fsnotify/fsnotify v1.7.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/labstack/gommon v0.5.0 // indirect
	github.com/mattn/go-colorable v0.1.15 // indirect
	github.com/mattn/go-isatty v0.0.22 // indirect
	github.com/natefinch/atomic v1.0.1 // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
	github.com/valyala/fasttemplate v1.2.2 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/mod v0.38.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	golang.org/x/tools v0.48.0 // indirect
	gopkg.in/cenkalti/backoff.v1 v1.1.0 // indirect
)

tool github.com/a-h/templ/cmd/templ
