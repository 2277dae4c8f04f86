package main

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// screenshots makes the browser test write the pictures of the docs anew.
var screenshots = flag.Bool("screenshots", false, "write docs/img anew")

// browser is a headless Chromium with one tab, and what went wrong in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	hosts    map[string]bool
}

// openBrowser starts Chromium. Without it the test is skipped, unless the
// environment says that everything the tests need is installed.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("LOGARIUM_CI") != "" {
			t.Fatal("no Chromium, and LOGARIUM_CI says that there is one")
		}
		t.Skip("needs Chromium: install the package chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(1440, 900), chromedp.Flag("disable-quic", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	b := &browser{t: t, ctx: ctx, hosts: map[string]bool{}}
	messages := chromedp.Console(ctx)
	go b.noteMessages(messages)
	b.run(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		return err
	}))
	go b.noteHosts(chromedp.Events(ctx, network.RequestWillBeSent))
	return b
}

// noteMessages notes errors and warnings of the console, and uncaught exceptions.
func (b *browser) noteMessages(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the browser has ended
		}
		switch m.Type {
		case "error", "warning", chromedp.ConsoleException:
			b.mu.Lock()
			b.problems = append(b.problems, fmt.Sprintf("%s (%s:%d)", m, m.URL, m.Line))
			b.mu.Unlock()
		}
	}
}

// noteHosts notes which hosts are asked for anything.
func (b *browser) noteHosts(requests iter.Seq2[network.EventRequestWillBeSent, error]) {
	for e, err := range requests {
		if err != nil {
			return // the browser has ended
		}
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host != "" {
			b.mu.Lock()
			b.hosts[u.Host] = true
			b.mu.Unlock()
		}
	}
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v; so far: %v", err, b.problems)
	}
}

// evaluate runs JavaScript that yields a value.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v; so far: %v", expression, err, b.problems)
	}
	return v
}

// until waits for a JavaScript expression to become true, across navigations.
func (b *browser) until(expression string) {
	b.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if ok {
			return
		}
		last = err // between two pages there is nothing to ask
		select {
		case <-deadline:
			text := evaluate[string](b, "location.href + '\\n' + document.body.innerText")
			b.t.Fatalf("never true: %s: %v\n%s\n%v", expression, last, text, b.problems)
		case <-tick.C:
		}
	}
}

// picture takes a screenshot of the window for the docs.
func (b *browser) picture(name string, width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.run(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}), chromedp.EmulateViewport(width, height))
	evaluate[bool](b, `new Promise(r => { scrollTo(0, 0); setTimeout(() => requestAnimationFrame(() => r(true)), 500); })`)
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if len(png) < 10_000 {
		b.t.Errorf("the picture %s is empty: %d bytes", name, len(png))
	}
	if *screenshots {
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "img", name+".png"), png, 0o600); err != nil {
			b.t.Error(err)
		}
	}
}

// canvasHash tells one picture of the map from another.
const canvasHash = `(() => { let h = 0; for (const c of document.querySelectorAll('canvas')) { const s = c.toDataURL(); for (let i = 0; i < s.length; i += 97) h = (h * 31 + s.charCodeAt(i)) | 0; } return h; })()`

// The whole way of a new user: the picture lives, a topic is made by form, a
// message is written, seen and read back, and the topic is deleted.
func TestBrowser_TheWayOfANewUser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	b := openBrowser(t)
	p := start(t, "--data", t.TempDir(), "--kafka", "127.0.0.1:0", "--console", "127.0.0.1:0")
	b.run(chromedp.Navigate(p.Console + "/"))
	b.overviewLives()
	b.outsideChangeShows(p)
	b.createsTopic(p)
	b.producesAndReads(p)
	b.deletesTopic(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		if !strings.Contains(problem, "status of 422") { // the two forms that were filled in wrong on purpose
			t.Error(problem)
		}
	}
	if len(b.hosts) != 1 || !b.hosts[strings.TrimPrefix(p.Console, "http://")] {
		t.Errorf("the pages asked %v", b.hosts)
	}
	p.Stop() // with a page open
}

func (b *browser) overviewLives() {
	b.t.Helper()
	b.until(`document.querySelectorAll('canvas').length > 0 && document.body.innerText.includes('heart-rate-monitor')`)
	b.until(`[...document.querySelectorAll('[data-v]')].some(e => /^[1-9]/.test(e.textContent))`)
	b.until(fmt.Sprintf(`%s !== %d`, canvasHash, evaluate[int](b, canvasHash)))
	b.until(`document.querySelectorAll('section a[href*="/offsets/"]').length > 3`) // latest messages
	if *screenshots {                                                               // graphs that have something to show
		b.run(chromedp.Click(chromedp.CSS(`[data-range="fine"]`)))
		<-time.After(50 * time.Second)
	}
	b.picture("overview-light", 1440, 1400, false)
	b.picture("overview-dark", 1440, 1400, true)
	b.picture("overview-phone", 390, 844, false)
	b.run(chromedp.EmulateViewport(1440, 900))
}

// outsideChangeShows makes a topic by another client while the list is open.
func (b *browser) outsideChangeShows(p *process) {
	b.t.Helper()
	b.run(chromedp.Navigate(p.Console+"/topics"), chromedp.WaitVisible(chromedp.CSS(`table`)))
	b.until(`document.body.innerText.includes('heart-rate')`)
	other := p.Client(kgo.AllowAutoTopicCreation())
	if err := other.ProduceSync(testContext(b.t), &kgo.Record{Topic: "made-outside", Value: []byte("x")}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	b.until(`document.querySelector('table').innerText.includes('made-outside')`)
}

func (b *browser) createsTopic(p *process) {
	b.t.Helper()
	b.run(
		chromedp.Navigate(p.Console+"/create-topic"),
		chromedp.SetValue(chromedp.CSS(`#name`), "no spaces"),
		chromedp.SetValue(chromedp.CSS(`#partitions`), "3"),
		chromedp.Click(chromedp.CSS(`form[action="/create-topic"] button.primary`)),
	)
	b.until(`document.querySelector('#name')?.getAttribute('aria-invalid') === 'true' && document.querySelector('#partitions').value === '3'`)
	b.run(
		chromedp.SetValue(chromedp.CSS(`#name`), "orders"),
		chromedp.Click(chromedp.CSS(`form[action="/create-topic"] button.primary`)),
	)
	b.until(`location.pathname === '/topics/orders' && document.querySelector('h1').innerText === 'orders'`)
}

func (b *browser) producesAndReads(p *process) {
	b.t.Helper()
	b.run(
		chromedp.Navigate(p.Console+"/topics/orders/produce"),
		chromedp.Click(chromedp.CSS(`#null-key`)),
		chromedp.SendKeys(chromedp.CSS(`#key`), "customer-7"),
		chromedp.SendKeys(chromedp.CSS(`#value`), `{"total": 42, "note": "<b>not markup</b>"}`),
		chromedp.SendKeys(chromedp.CSS(`[name="header-key"]`), "origin"),
		chromedp.SendKeys(chromedp.CSS(`[name="header-value"]`), "form"),
		chromedp.Click(chromedp.CSS(`form[action="/topics/orders/produce"] button.primary`)),
	)
	b.until(`document.querySelector('a[href*="/topics/orders/partitions/"]') !== null`)
	b.run(chromedp.Navigate(p.Console + "/topics/orders/messages?from=oldest"))
	b.until(`document.body.innerText.includes('customer-7') && document.body.innerText.includes('<b>not markup</b>')`)
	reader := p.Client(kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fetches := reader.PollRecords(testContext(b.t), 1)
	if err := fetches.Err(); err != nil {
		b.t.Fatal(err)
	}
	r := fetches.Records()[0]
	if string(r.Key) != "customer-7" || !strings.Contains(string(r.Value), "<b>not markup</b>") || len(r.Headers) != 1 || string(r.Headers[0].Value) != "form" {
		b.t.Errorf("the form wrote %+v", r)
	}
	// murmur2 of "customer-7" & 0x7fffffff, modulo 3: what Java's partitioner takes.
	if want := kgo.StickyKeyPartitioner(nil).ForTopic("orders").Partition(r, 3); int(r.Partition) != want {
		b.t.Errorf("the record went to partition %d, Java's partitioner takes %d", r.Partition, want)
	}
}

func (b *browser) deletesTopic(p *process) {
	b.t.Helper()
	b.run(
		chromedp.Navigate(p.Console+"/topics/orders/delete"),
		chromedp.SendKeys(chromedp.CSS(`#typed`), "order"),
		chromedp.Click(chromedp.CSS(`form[action="/topics/orders/delete"] button.solid-danger`)),
	)
	b.until(`document.querySelector('#typed')?.getAttribute('aria-invalid') === 'true'`)
	b.run(
		chromedp.SetValue(chromedp.CSS(`#typed`), "orders"),
		chromedp.Click(chromedp.CSS(`form[action="/topics/orders/delete"] button.solid-danger`)),
	)
	b.until(`location.pathname === '/topics' && !document.querySelector('table').innerText.includes('orders')`)
	b.until(`document.querySelector('table').innerText.includes('made-outside')`)
}
