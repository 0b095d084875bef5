//go:build !linux

package main

// foreign needs walls to run against.
func foreign() { main() }
