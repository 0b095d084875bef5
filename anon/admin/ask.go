package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"

	"sotto/anon"
)

// errHungUp: there is no answer. What was asked for may have been done.
var errHungUp = fmt.Errorf("%w: the broker has hung up", anon.ErrProtocol)

// Ask asks the broker whose socket is at path, and waits for its answer: ctx,
// and a little more than WorkTime, bound that. Errors: ErrNotThere;
// anon.ErrProtocol for what is no broker of this user's; that of ctx. A text in
// the answer is the broker's own, or a path that this user has named.
func Ask(ctx context.Context, path string, r Request) (a Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, WorkTime+3*talkTime)
	defer cancel()
	dialer := net.Dialer{Timeout: talkTime}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return Answer{}, ErrNotThere
	}
	if err != nil {
		return Answer{}, fmt.Errorf("ask the broker: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	if err := sameUser(conn); err != nil {
		return Answer{}, err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(talkTime)); err != nil {
		return Answer{}, fmt.Errorf("ask the broker: %w", err)
	}
	_, err = conn.Write(r.encode())
	if err == nil {
		err = conn.(*net.UnixConn).CloseWrite()
	}
	if err != nil {
		return Answer{}, fmt.Errorf("ask the broker: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(conn, maxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("ask the broker: %w", err)
	}
	if len(raw) == 0 {
		return Answer{}, errHungUp
	}
	return parseAnswer(raw)
}
