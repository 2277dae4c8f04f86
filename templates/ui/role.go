package ui

// noticeRole makes a screen reader interrupt for what went wrong, and wait with
// the rest.
func noticeRole(kind string) string {
	if kind == "bad" {
		return "alert"
	}
	return "status"
}
