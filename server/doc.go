// Package server is the console: its routes, the middleware around them, and
// one file for each page with its handler and view model.
//
// It owns HTTP. It knows every cluster through server/kafka alone, shows what
// it knows through templates, and of the engine imports engine/event only.
package server
