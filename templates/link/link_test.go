package link

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSegment_NamesThatBreakPaths(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"orders", "orders"},
		{"a.b_c-d", "a.b_c-d"},
		{"a/b", "a%2Fb"},
		{"", "~"},
		{".", "~."},
		{"..", "~.."},
		{"~", "~~"},
		{"~x", "~~x"},
		{"100%", "100%25"},
		{"a b", "a%20b"},
		{"a?b#c", "a%3Fb%23c"},
		{"\x00\n", "%00%0A"},
		{"\xff", "%FF"},
		{"Grüße", "Gr%C3%BC%C3%9Fe"},
		{`back\slash`, "back%5Cslash"},
		{"..%2f..", "..%252f.."},
	} {
		got := Segment(c.name)
		if got != c.want {
			t.Errorf("Segment(%q) = %q, want %q", c.name, got, c.want)
		}
		if back, err := Name(got); err != nil || back != c.name {
			t.Errorf("Name(%q) = %q, %v, want %q", got, back, err, c.name)
		}
	}
}

func TestSegment_AnyNameSurvivesThePath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := string(rapid.SliceOf(rapid.Byte()).Draw(t, "name"))
		u, err := url.Parse("http://localhost" + Group(name))
		if err != nil {
			t.Fatalf("%q does not parse: %v", Group(name), err)
		}
		parts := strings.Split(u.EscapedPath(), "/")
		if len(parts) != 3 {
			t.Fatalf("%q has %d parts", u.EscapedPath(), len(parts))
		}
		back, err := Name(parts[2])
		if err != nil || back != name {
			t.Fatalf("%q came back as %q, %v", name, back, err)
		}
	})
}

func TestName_BrokenPercent(t *testing.T) {
	if _, err := Name("%zz"); err == nil {
		t.Fatal("no error")
	}
}

func TestLocal_NeverLeadsElsewhere(t *testing.T) {
	for next, want := range map[string]string{
		"/topics?q=a":            "/topics?q=a",
		"/topics/a%2Fb":          "/topics/a%2Fb",
		"":                       "/f",
		"topics":                 "/f",
		"//evil.example/":        "/f",
		"/\\evil.example":        "/f",
		"https://evil.example/":  "/f",
		"javascript:alert(1)":    "/f",
		"/a\r\nSet-Cookie: x":    "/f",
		"http:/evil.example":     "/f",
		"/\t/evil.example":       "/f",
		"///evil.example/topics": "/f",
	} {
		if got := Local(next, "/f"); got != want {
			t.Errorf("Local(%q) = %q, want %q", next, got, want)
		}
	}
}

func TestWith_LeavesOutWhatIsEmpty(t *testing.T) {
	if got := With("/topics", "q", "", "sort", "name"); got != "/topics?sort=name" {
		t.Error(got)
	}
	if got := With("/topics", "q", ""); got != "/topics" {
		t.Error(got)
	}
	if got := Record("a b", 3, 17); got != "/topics/a%20b/partitions/3/offsets/17" {
		t.Error(got)
	}
}
