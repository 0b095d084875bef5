//go:build !linux

package main

// foreign needs walls to run against.
func foreign() { main() }

// keyless is where there is no keyring to be denied.
func keyless() { main() }
