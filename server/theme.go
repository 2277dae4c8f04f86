package server

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/link"
)

const themeCookie = "logarium_theme"

// themeOf returns the colours that the browser asked for: "light", "dark" or
// "auto".
func themeOf(r *http.Request) string {
	cookie, err := r.Cookie(themeCookie)
	if err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		return cookie.Value
	}
	return "auto"
}

// setTheme keeps the choice of colours for a year.
func (s *Server) setTheme(c echo.Context) error {
	cookie := &http.Cookie{Name: themeCookie, Path: "/", MaxAge: 365 * 86_400, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	switch theme := c.FormValue("theme"); theme {
	case "light", "dark":
		cookie.Value = theme
	default:
		cookie.MaxAge = -1
	}
	c.SetCookie(cookie)
	return c.Redirect(http.StatusSeeOther, link.Local(c.FormValue("next"), "/"))
}
