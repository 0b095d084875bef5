package main

import (
	"errors"
	"time"
)

// errShortLives: engine after engine was killed as soon as it had begun.
var errShortLives = errors.New("the engine is killed again and again, most likely because memory runs out")

const (
	firstPause = 250 * time.Millisecond
	mostPause  = 30 * time.Second
)

// lives bounds how often an engine that is killed from outside is started
// again: a system that has run out of memory is not helped by a program that
// takes it again at once, for ever.
type lives struct {
	short time.Duration // a life so short counts
	most  int           // in a row

	row   int
	pause time.Duration
}

// briefly is for a job that ends by itself, and is worth more patience than a
// daemon, which somebody else starts again.
var briefly = lives{short: time.Second, most: 30}

// end notes a life and returns how long to wait before the next one; false is
// that there shall be none.
func (l *lives) end(life time.Duration) (time.Duration, bool) {
	if life >= l.short {
		l.row, l.pause = 0, 0
		return 0, true
	}
	l.row++
	l.pause = min(max(2*l.pause, firstPause), mostPause)
	return l.pause, l.row < l.most
}
