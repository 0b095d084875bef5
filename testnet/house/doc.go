// Package house holds the tests of the house itself: which package may import
// which, and which file may open a socket, look a name up or start a program.
// It has no code of its own.
package house
