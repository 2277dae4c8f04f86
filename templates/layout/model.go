package layout

// Model is what the frame shows besides the page in it.
type Model struct {
	Title   string // of the browser's tab, without the product's name
	Section string // the navigation entry that is current: "overview", "topics", "groups", "brokers", "connect"
	Theme   string // "light", "dark" or "auto"
	Here    string // the address of this page, to come back to after a form
	Version string // of the product
	Static  func(name string) string
	Script  string // the script below static; the frame's own if empty
	Flash   *Flash
	Demo    *Demo
	Notices []string // what holds for the whole console, such as "--insecure"
}

// Flash is the outcome of the form before this page, shown once.
type Flash struct {
	Kind string // "ok", "warn" or "bad"
	Text string
	// Href and Label are a link to what came of it, "" for none.
	Href, Label string
}

// Demo is the state of the built-in demo; nil if there is none.
type Demo struct {
	Running bool
	About   string // what it is, and whose data it shows
}

// entry is one line of the navigation.
type entry struct {
	section, label, short, path, icon string
}

var entries = []entry{
	{"overview", "Overview", "Overview", "/", "overview"},
	{"topics", "Topics", "Topics", "/topics", "topics"},
	{"groups", "Consumer groups", "Groups", "/groups", "groups"},
	{"brokers", "Brokers", "Brokers", "/brokers", "brokers"},
	{"connect", "Connect", "Connect", "/connect", "connect"},
}

// themes are the choices of the switch, with the icon of each.
var themes = []entry{
	{"auto", "As the system", "", "", "auto"},
	{"light", "Light", "", "", "light"},
	{"dark", "Dark", "", "", "dark"},
}

func current(is bool) string {
	if is {
		return "true"
	}
	return "false"
}
