package wire

import (
	"encoding/binary"

	"sotto/client/engine/merkle"
)

// Hashes reads a HashRequest, Hashes or HashReject: what was asked, and for
// Hashes the answer, a whole number of hashes that alias m.Data. Nothing is
// said yet about whether the request makes sense for the file (Request.Valid)
// or the answer is true (Request.Verify). An answer of another length than the
// request has is an *Error, as is a message of another kind.
func (m Message) Hashes() (r merkle.Request, hashes []byte, err error) {
	if m.ID < HashRequest || m.ID > HashReject || len(m.Data) < hashHeader {
		return r, nil, &Error{m.ID, len(m.Data) + 1, "no message about hashes"}
	}
	b := m.Data[copy(r.Root[:], m.Data):]
	r.Base, r.Index = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	r.Length, r.Proofs = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	hashes = b[16:]
	if m.ID == Hashes && len(hashes) != r.Count()*merkle.HashSize {
		return r, nil, &Error{m.ID, len(m.Data) + 1, "another number of hashes than it says"}
	}
	return r, hashes, nil
}

// AppendHashRequest appends a request for hashes (BEP 52).
func AppendHashRequest(b []byte, r merkle.Request) []byte {
	return appendHashHeader(appendHead(b, HashRequest, hashHeader), r)
}

// AppendHashReject appends that we will not answer a request for hashes.
func AppendHashReject(b []byte, r merkle.Request) []byte {
	return appendHashHeader(appendHead(b, HashReject, hashHeader), r)
}

// AppendHashes appends the answer to a request: the r.Count() hashes that
// merkle.Tree.Append gave.
func AppendHashes(b []byte, r merkle.Request, hashes []byte) []byte {
	b = appendHashHeader(appendHead(b, Hashes, hashHeader+len(hashes)), r)
	return append(b, hashes...)
}

func appendHashHeader(b []byte, r merkle.Request) []byte {
	b = append(b, r.Root[:]...)
	b = binary.BigEndian.AppendUint32(b, r.Base)
	b = binary.BigEndian.AppendUint32(b, r.Index)
	b = binary.BigEndian.AppendUint32(b, r.Length)
	return binary.BigEndian.AppendUint32(b, r.Proofs)
}
