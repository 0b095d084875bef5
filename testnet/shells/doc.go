// Package shells holds tests and no code: what "sotto completion" prints, in the
// bash, zsh and fish that Debian ships, with names and words on the command line
// that strangers chose.
package shells
