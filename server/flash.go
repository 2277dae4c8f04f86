package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
)

// flashCookie carries the outcome of a form over the redirect to the page that
// shows it. It is the reader's own: it is shown escaped, and trusted in nothing.
const flashCookie = "logarium_flash"

// maxFlash keeps the cookie below what browsers store.
const maxFlash = 1500

// redirect sends the browser to a page after a form, with a message to show.
func redirect(c echo.Context, to, kind, text string) error {
	return redirectWithLink(c, to, kind, text, "", "")
}

// redirectWithLink is redirect with a link in the message.
func redirectWithLink(c echo.Context, to, kind, text, href, label string) error {
	if runes := []rune(text); len(runes) > maxFlash/4 {
		text = string(runes[:maxFlash/4]) + "…"
	}
	value, err := json.Marshal(layout.Flash{Kind: kind, Text: text, Href: href, Label: label})
	if err != nil {
		return err
	}
	c.SetCookie(&http.Cookie{
		Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString(value), Path: "/",
		MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return c.Redirect(http.StatusSeeOther, to)
}

// takeFlash returns the message and removes it. A partial refresh leaves it for
// the page that it is meant for.
func takeFlash(c echo.Context) *layout.Flash {
	if c.Request().Header.Get("HX-Request") != "" {
		return nil
	}
	cookie, err := c.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	c.SetCookie(&http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	value, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return nil
	}
	var f layout.Flash
	if json.Unmarshal(value, &f) != nil || f.Text == "" {
		return nil
	}
	if f.Href != "" {
		f.Href = link.Local(f.Href, "")
	}
	switch f.Kind {
	case "ok", "warn", "bad":
	default:
		f.Kind = "ok"
	}
	return &f
}
