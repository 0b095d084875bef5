//go:build !linux

package main

// foreign and babbling need walls to run against.
func foreign()  { main() }
func babbling() { main() }

// keyless is where there is no keyring to be denied.
func keyless() { main() }
