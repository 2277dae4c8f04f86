package page

// ConnectModel is how clients reach the cluster.
type ConnectModel struct {
	Bootstrap string // addresses with commas
	Topic     string
	Snippets  []Snippet
}

// Snippet is something to copy.
type Snippet struct {
	ID    string // of the element
	Title string
	Code  string
}
