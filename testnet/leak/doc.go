// Package leak holds the tests that sotto sends nothing past its networks:
// real sotto processes, a real tor, and in a namespace where every other way
// out leads to a packet counter, hostile links, files, trackers and routers.
// It has no code of its own.
package leak
