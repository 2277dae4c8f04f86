package page

// ErrorModel is an error in words, with the id under which the log has more.
type ErrorModel struct {
	Title, Text, ID string
}
