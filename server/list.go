package server

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/ui"
)

// pageSize is how many rows a list shows at once.
const pageSize = 25

// list is the state of a list: all of it is in the address.
type list struct {
	path  string
	query url.Values
	sort  string
	desc  bool
	page  int // from 1
}

// listOf reads the state of a list; a column that is not there sorts by the
// first one.
func listOf(c echo.Context, path string, columns ...string) list {
	l := list{path: path, query: c.QueryParams(), sort: c.QueryParam("sort"), desc: c.QueryParam("dir") == "desc"}
	if !slices.Contains(columns, l.sort) {
		l.sort = columns[0]
	}
	l.page, _ = strconv.Atoi(c.QueryParam("page")) // what is no number is the first page
	l.page = max(l.page, 1)
	return l
}

// with returns the list's address with some of its query changed.
func (l list) with(namesAndValues ...string) string {
	q := url.Values{}
	for name, values := range l.query {
		q[name] = values
	}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] == "" {
			q.Del(namesAndValues[i])
		} else {
			q.Set(namesAndValues[i], namesAndValues[i+1])
		}
	}
	if len(q) == 0 {
		return l.path
	}
	return l.path + "?" + q.Encode()
}

// head returns the head of a sortable column. Numbers sort from the largest at
// first, names from the beginning of the alphabet.
func (l list) head(column, label, title string, num bool) ui.Sort {
	s := ui.Sort{Label: label, Num: num, Title: title}
	dir := ""
	if num {
		dir = "desc"
	}
	if l.sort == column {
		s.Dir, dir = "ascending", "desc"
		if l.desc {
			s.Dir, dir = "descending", ""
		}
	}
	s.Href = l.with("sort", column, "dir", dir, "page", "")
	return s
}

// cut returns the rows of the list's page, and how many pages there are. A page
// beyond the last is the last.
func cut[T any](l *list, rows []T) (part []T, pages int) {
	pages = max((len(rows)+pageSize-1)/pageSize, 1)
	l.page = min(l.page, pages)
	from := (l.page - 1) * pageSize
	return rows[from:min(from+pageSize, len(rows))], pages
}

// turns returns the addresses of the pages before and after, "" if there is none.
func (l list) turns(pages int) (prev, next string) {
	if l.page > 1 {
		prev = l.with("page", strconv.Itoa(l.page-1))
	}
	if l.page < pages {
		next = l.with("page", strconv.Itoa(l.page+1))
	}
	return prev, next
}

// dir is the direction for a hidden field.
func (l list) dir() string {
	if l.desc {
		return "desc"
	}
	return ""
}

// here returns the address of the page that is shown.
func here(c echo.Context) string { return link.Local(c.Request().URL.RequestURI(), "/") }
