package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"sotto/anon"
)

// maxCallers are worked for, or waited for, at a time. Others wait to be heard.
const maxCallers = 8

// errStranger: another user is at the other end, or nobody knows who.
var errStranger = fmt.Errorf("%w: another user is at the other end of the socket", anon.ErrProtocol)

// Serve answers requests at l until ctx is done, and returns when nobody is
// answered any more. It closes l. do may be called several times at once; its
// context ends with ctx and after WorkTime. Whoever is no user of ours, or asks
// for nothing that there is, is hung up on. The error is nil when ctx is done,
// else that of l.
func Serve(ctx context.Context, l net.Listener, do func(context.Context, Request) Answer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var callers sync.WaitGroup
	defer func() {
		cancel()
		l.Close()
		callers.Wait()
	}()
	room := make(chan struct{}, maxCallers)
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // too many files: a moment later there may be room
			<-room
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		callers.Go(func() {
			defer func() { <-room }()
			answer(ctx, conn, do)
		})
	}
}

func answer(ctx context.Context, conn net.Conn, do func(context.Context, Request) Answer) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, WorkTime)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if sameUser(conn) != nil || conn.SetDeadline(time.Now().Add(talkTime)) != nil {
		return
	}
	raw, err := io.ReadAll(io.LimitReader(conn, int64(maxRequest)+1))
	if err != nil {
		return
	}
	r, err := parse(raw)
	a := Answer{Refused: "it speaks another version of this protocol"}
	switch {
	case err == nil:
		a = do(ctx, r)
	case !errors.Is(err, ErrVersion):
		return
	}
	if ctx.Err() != nil {
		return // it may have been interrupted: nobody knows what became of it
	}
	out, err := json.Marshal(a)
	if err == nil && conn.SetDeadline(time.Now().Add(talkTime)) == nil {
		conn.Write(out) // who does not read it has gone
	}
}
