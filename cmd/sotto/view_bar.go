package main

import (
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"sotto/client"
)

// barView draws one bar on a terminal, and prints what happens once above it.
type barView struct {
	lines    lineView
	progress *mpb.Progress
	bar      *mpb.Bar
	now      atomic.Pointer[client.Progress]
}

func (v *barView) show(e client.Event) {
	switch e := e.(type) {
	case client.Progress:
		v.draw(e)
	case client.Hashing:
		v.draw(client.Progress{Phase: client.Checking, Done: e.Done, Total: e.Total})
	default:
		v.close()
		v.lines.show(e)
	}
}

func (v *barView) draw(p client.Progress) {
	v.now.Store(&p)
	if v.progress == nil {
		v.progress = mpb.New(mpb.WithOutput(v.lines.w), mpb.WithWidth(32))
		v.bar = v.progress.New(0, mpb.BarStyle(), mpb.BarRemoveOnComplete(),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return progressText(*v.now.Load()) })))
	}
	v.bar.SetTotal(max(p.Total, 1), false)
	v.bar.SetCurrent(p.Done)
}

// close takes the bar away and waits for its goroutines.
func (v *barView) close() {
	if v.progress == nil {
		return
	}
	v.bar.Abort(true)
	v.progress.Wait()
	v.progress, v.bar = nil, nil
}
