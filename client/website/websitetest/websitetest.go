// Package websitetest runs a web server inside a network, as a webseed is one,
// for tests.
//
// It opens nothing: the endpoint, and with it the network, is the test's.
package websitetest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"

	"sotto/transport"
)

// Serve has h answer at e until the test ends. It does not close e.
func Serve(t testing.TB, e transport.Endpoint, h http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &http.Server{Handler: h}
	var gone sync.WaitGroup
	gone.Go(func() { s.Serve(listener{e, ctx}) })
	t.Cleanup(func() {
		cancel()
		s.Close()
		gone.Wait()
	})
}

// listener lets package net/http accept on an endpoint.
type listener struct {
	transport.Endpoint
	ctx context.Context
}

func (l listener) Accept() (net.Conn, error) { return l.Endpoint.Accept(l.ctx) }
func (l listener) Close() error              { return nil }
func (l listener) Addr() net.Addr            { return l.Endpoint.Addr() }
