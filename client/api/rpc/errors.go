package rpc

import (
	"context"
	"errors"
)

// Code sorts errors for programs. The numbers are those of JSON-RPC 2.0, and
// positive ones of Transmission 4.1.
type Code int

// The codes in use.
const (
	CodeParse          Code = -32700
	CodeInvalidRequest Code = -32600
	CodeMethod         Code = -32601
	CodeParams         Code = -32602
	CodeInternal       Code = -32603
	CodeTrackers       Code = 2
	CodePath           Code = 3
	CodeUnknown        Code = 4
	CodeSystem         Code = 5
	CodeFileIndex      Code = 6
	CodeTorrent        Code = 9
)

var codeText = map[Code]string{
	CodeParse:          "Parse error",
	CodeInvalidRequest: "Invalid Request",
	CodeMethod:         "Method not found",
	CodeParams:         "Invalid params",
	CodeInternal:       "Internal error",
	CodeTrackers:       "Invalid tracker list",
	CodePath:           "Folder not allowed",
	CodeUnknown:        "No such torrent or file",
	CodeSystem:         "System error",
	CodeFileIndex:      "File index out of range",
	CodeTorrent:        "Invalid or corrupt torrent",
}

// Error is a refusal that the caller may read. Text says what happened, in
// plain English, lower-case, and repeats no value that the caller sent.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string { return e.Text }

// ErrFileIndex is what Library answers to a FileSet beyond the last file.
var ErrFileIndex = &Error{CodeFileIndex, "file index out of range"}

func refuse(text string) error { return &Error{CodeParams, text} }

// forCaller returns what the caller may know of err. Other texts than those of
// *Error may name paths and addresses.
func forCaller(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{CodeSystem, "the daemon did not answer in time"}
	}
	return &Error{CodeInternal, "the daemon could not do that"}
}
