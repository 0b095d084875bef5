// Package walls holds the tests of anon/cage that need root to set the scene:
// the same tests as an ordinary user, where user namespaces are refused, and
// a tor that inherits what the broker gave up. It has no code of its own.
package walls
