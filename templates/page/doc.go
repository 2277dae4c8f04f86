// Package page holds the console's pages, each with its view model.
//
// A page sees its model and nothing else: no protocol, no HTTP. It imports
// templates/ui and templates/link.
package page
