package server

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/labstack/echo/v4"
	"github.com/twmb/franz-go/pkg/kfake"
)

// example fills in the names in a route's path.
var example = strings.NewReplacer(":topic", "orders", ":partition", "0", ":offset", "0", ":group", "g", ":broker", "0", "*", "x")

// asks are the routes that answer at once: the event stream does not end.
func (c *console) asks() []route {
	var out []route
	for _, r := range c.server.table() {
		if r.path != pathLive {
			out = append(out, r)
		}
	}
	return out
}

func TestRoutes_EveryAnswerIsProtected(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	for _, r := range append(c.asks(), route{http.MethodGet, "/no/such/page", "unknown", nil}) {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			var form url.Values
			if r.method == http.MethodPost {
				form = url.Values{}
			}
			resp := c.do(r.method, example.Replace(r.path), form)
			defer resp.Body.Close()
			if resp.StatusCode == http.StatusInternalServerError {
				t.Errorf("status %d", resp.StatusCode)
			}
			h := resp.Header
			if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
				"Cache-Control": "no-store", "Access-Control-Allow-Origin": "",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if strings.HasPrefix(h.Get("Content-Type"), "text/html") {
				noInline(t, resp.Body)
			}
		})
	}
}

// noInline holds that a page has nothing that the policy would block.
func noInline(t *testing.T, body io.Reader) {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(body)
	if err != nil {
		t.Fatal(err)
	}
	doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, a := range s.Get(0).Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") {
				t.Errorf("inline %s on %s", a.Key, goquery.NodeName(s))
			}
		}
	})
	doc.Find("script").Each(func(_ int, s *goquery.Selection) {
		if src, ok := s.Attr("src"); !ok || !strings.HasPrefix(src, "/static/") {
			t.Errorf("a script from %q", src)
		}
	})
	if n := doc.Find("style").Length(); n > 0 {
		t.Errorf("%d inline styles", n)
	}
}

func TestRoutes_OtherHostsAreTurnedAway(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	for _, r := range c.server.table() {
		for _, host := range []string{"evil.example", "localhost.evil.example", "", "10.1.2.3:8080"} {
			resp := c.do(r.method, example.Replace(r.path), nil, func(r *http.Request) { r.Host = host })
			resp.Body.Close()
			if resp.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("%s %s for %q: status %d", r.method, r.path, host, resp.StatusCode)
			}
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:1", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "[::1]", "console.example", "Console.Example:443", "localhost."} {
		resp := c.do(http.MethodGet, "/healthz", nil, func(r *http.Request) { r.Host = host })
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%q is turned away with %d", host, resp.StatusCode)
		}
	}
}

func TestRoutes_OtherSitesChangeNothing(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	posts := 0
	for _, r := range c.server.table() {
		if r.method == http.MethodGet {
			continue
		}
		posts++
		for name, change := range map[string]func(*http.Request){
			"Sec-Fetch-Site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"same-site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"Origin":         func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://evil.example") },
			"null Origin":    func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		} {
			resp := c.do(http.MethodPost, example.Replace(r.path), url.Values{"typed": {"orders"}, "confirm": {"yes"}}, change)
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s by %s: status %d", r.path, name, resp.StatusCode)
			}
		}
	}
	if posts < 8 {
		t.Errorf("only %d routes change something", posts)
	}
	if c.demo.Running() {
		t.Error("the demo was started from elsewhere")
	}
	if _, _, err := c.cluster.Topic(t.Context(), "orders"); err != nil {
		t.Errorf("the topic: %v", err)
	}
}

func TestRoutes_NamesAndPathsAreUnique(t *testing.T) {
	c := newConsole(t)
	names, paths := map[string]bool{}, map[string]bool{}
	for _, r := range c.server.table() {
		if names[r.name] || paths[r.method+r.path] || r.name == "" || r.handler == nil {
			t.Errorf("route %s %s %q is there twice or not whole", r.method, r.path, r.name)
		}
		names[r.name], paths[r.method+r.path] = true, true
	}
}

func TestServer_BodiesAreBounded(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	big := url.Values{"name": {strings.Repeat("x", maxBodyBytes+1)}}
	doc := c.parse("/create-topic", c.do(http.MethodPost, "/create-topic", big), http.StatusRequestEntityTooLarge)
	has(t, doc.Find("main"), "Too much at once")
	if srv := c.server.HTTPServer(); srv.ReadHeaderTimeout == 0 || srv.ReadTimeout == 0 || srv.IdleTimeout == 0 || srv.MaxHeaderBytes == 0 || srv.WriteTimeout != 0 {
		t.Errorf("limits: %+v", srv)
	}
}

func TestServer_ErrorsAreInWordsWithAnID(t *testing.T) {
	c := newConsole(t)
	doc := c.page("/no/such/page", http.StatusNotFound)
	has(t, doc.Find("main"), "There is no such page", "Request id")
	if id := doc.Find("main code").Text(); len(id) < 8 {
		t.Errorf("request id %q", id)
	}
	resp := c.do(http.MethodDelete, "/topics", nil)
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("another method: status %d", resp.StatusCode)
	}
}

func TestServer_APanicIsAnErrorPage(t *testing.T) {
	c := newConsole(t)
	h := c.server.protect(c.server.router([]route{{http.MethodGet, "/boom", "boom", func(echo.Context) error { panic("secret detail") }}}))
	c.handler = h
	doc := c.page("/boom", http.StatusInternalServerError)
	if text := doc.Text(); strings.Contains(text, "secret detail") || !strings.Contains(text, "Something went wrong") {
		t.Errorf("page %q", squeeze(text))
	}
	if !strings.Contains(c.log.String(), "secret detail") {
		t.Error("the log does not have it")
	}
}

func TestStatic_HashedAndUnchanging(t *testing.T) {
	c := newConsole(t)
	doc := c.page("/", http.StatusOK)
	for _, sel := range []string{"link[rel=stylesheet]", "script[src]"} {
		doc.Find(sel).Each(func(_ int, s *goquery.Selection) {
			target := s.AttrOr("href", s.AttrOr("src", ""))
			resp := c.do(http.MethodGet, target, nil)
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: status %d, %q", target, resp.StatusCode, resp.Header.Get("Cache-Control"))
			}
		})
	}
	for _, target := range []string{"/static/", "/static/x/", "/static/x/css/", "/static/x/../embed.go", "/static/x/%2e%2e/embed.go", "/static/x/nope.js"} {
		resp := c.do(http.MethodGet, target, nil)
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", target, resp.StatusCode)
		}
	}
	resp := c.do(http.MethodGet, "/static/old/js/ui.js", nil)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("an old hash: status %d, %q", resp.StatusCode, resp.Header.Get("Cache-Control"))
	}
}

func TestTheme_KeptAndLocal(t *testing.T) {
	c := newConsole(t)
	resp := c.do(http.MethodPost, "/theme", url.Values{"theme": {"dark"}, "next": {"//evil.example"}})
	resp.Body.Close()
	if got := resp.Header.Get("Location"); got != "/" {
		t.Errorf("leads to %q", got)
	}
	c.cookies = resp.Cookies()
	if got := c.page("/topics", http.StatusOK).Find("html").AttrOr("data-theme", ""); got != "dark" {
		t.Errorf("theme %q", got)
	}
}

func TestDemo_StopAsksFirst(t *testing.T) {
	c := newConsole(t)
	has(t, c.page("/topics", http.StatusOK).Find("#demo"), "The demo is off")
	has(t, c.post("/demo/start", url.Values{"next": {"/topics"}}, http.StatusSeeOther).Find("#demo"), "The demo is running")
	has(t, c.post("/demo/stop", url.Values{"next": {"/topics"}}, http.StatusOK).Find("main"), "Stop the demo?")
	if !c.demo.Running() {
		t.Fatal("stopped without a yes")
	}
	c.post("/demo/stop", url.Values{"confirm": {"yes"}}, http.StatusSeeOther)
	if c.demo.Running() {
		t.Fatal("still running")
	}
}

func TestHealth(t *testing.T) {
	c := newConsole(t)
	for _, target := range []string{"/healthz", "/readyz"} {
		resp := c.do(http.MethodGet, target, nil)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", target, resp.StatusCode)
		}
	}
	c.server.Ready = func() error { return io.ErrUnexpectedEOF }
	resp := c.do(http.MethodGet, "/readyz", nil)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("not ready: status %d", resp.StatusCode)
	}
}
