// Package conform holds the real transports, over real daemons on private
// networks and behind the guard, against the suite that every transport passes.
//
// It has no code of its own. Its tests run one after the other, because they
// look for goroutines left behind, and stand apart so that the transfers need
// not wait for them.
package conform
