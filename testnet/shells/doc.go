// Package shells holds tests and no code: what "sotto completion" prints, in the
// zsh and the fish that Debian ships, with names and links that strangers chose.
//
// bash is everywhere, and is tried in cmd/sotto.
package shells
