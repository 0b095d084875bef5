// Package interop holds tests and no code: our engine against the clients that
// other people run, Transmission, libtorrent and aria2 as Debian ships them,
// and a benchmark of the three ways we could move a torrent.
//
// Everything happens in a network namespace of its own, over testnet/tcpnet.
// Whoever leeches must end up with the seed's bytes, and what goes over the
// wire is looked at: a test that wants RC4 fails when the payload can be read.
package interop
