// Package layout is the frame around every page: head, navigation, banner of
// the demo, flash, theme.
//
// It owns no page and no data. It imports templates/ui and templates/link.
package layout
