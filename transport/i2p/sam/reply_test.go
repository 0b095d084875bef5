package sam

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func TestParseReply(t *testing.T) {
	type pairs map[string]string
	for name, c := range map[string]struct {
		line        string
		topic, verb string
		want        pairs
	}{
		"plain":               {"HELLO REPLY RESULT=OK VERSION=3.3", "HELLO", "REPLY", pairs{"RESULT": "OK", "VERSION": "3.3"}},
		"any order":           {"HELLO REPLY VERSION=3.3 RESULT=OK", "HELLO", "REPLY", pairs{"RESULT": "OK", "VERSION": "3.3"}},
		"unknown keys":        {"NAMING REPLY RESULT=OK OPTION:a=b NAME=x", "NAMING", "REPLY", pairs{"OPTION:a": "b", "NAME": "x"}},
		"quoted":              {`STREAM STATUS RESULT=I2P_ERROR MESSAGE="no \"such\" \\ peer"`, "STREAM", "STATUS", pairs{"MESSAGE": `no "such" \ peer`}},
		"quoted, then more":   {`STREAM STATUS MESSAGE="a b" RESULT=OK`, "STREAM", "STATUS", pairs{"MESSAGE": "a b", "RESULT": "OK"}},
		"result in a message": {`STREAM STATUS MESSAGE=" RESULT=OK" RESULT=TIMEOUT`, "STREAM", "STATUS", pairs{"RESULT": "TIMEOUT"}},
		"first of two":        {"STREAM STATUS RESULT=TIMEOUT RESULT=OK", "STREAM", "STATUS", pairs{"RESULT": "TIMEOUT"}},
		"empty value":         {"SESSION STATUS RESULT= ID=7", "SESSION", "STATUS", pairs{"RESULT": "", "ID": "7"}},
		"no value":            {"SESSION STATUS FLAG RESULT=OK", "SESSION", "STATUS", pairs{"FLAG": "", "RESULT": "OK"}},
		"padded base64":       {"DEST REPLY PUB=AA== PRIV=BB==", "DEST", "REPLY", pairs{"PUB": "AA==", "PRIV": "BB=="}},
		"carriage return":     {"STREAM STATUS RESULT=OK\r", "STREAM", "STATUS", pairs{"RESULT": "OK"}},
		"many spaces":         {"STREAM STATUS   RESULT=OK  ", "STREAM", "STATUS", pairs{"RESULT": "OK"}},
		"ping":                {"PING a=b c", "PING", "a=b c", nil},
		"bare ping":           {"PING", "PING", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseReply(c.line)
			require.NoError(t, err)
			require.True(t, r.Is(c.topic, c.verb))
			for k, v := range c.want {
				require.Equal(t, v, r.Value(k), k)
			}
		})
	}
}

func TestParseReplyRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"empty":             "",
		"space":             " ",
		"one word":          "HELLO",
		"http":              "HTTP/1.1 400 Bad Request",
		"html":              "<html>",
		"lower case":        "hello reply RESULT=OK",
		"ssh":               "SSH-2.0-OpenSSH_9.2",
		"control byte":      "HELLO REPLY RESULT=O\x00K",
		"newline inside":    "HELLO REPLY RESULT=OK\nX",
		"escape sequence":   "HELLO REPLY RESULT=\x1b[2J",
		"open quote":        `STREAM STATUS MESSAGE="abc`,
		"open escape":       `STREAM STATUS MESSAGE="abc\`,
		"text behind quote": `STREAM STATUS MESSAGE="abc"RESULT=OK`,
		"no key":            "STREAM STATUS =OK",
		"a bomb of keys":    "STREAM STATUS" + strings.Repeat(" k", 10) + manyKeys(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseReply(line)
			require.ErrorIs(t, err, anon.ErrProtocol)
			if len(line) > 4 {
				require.NotContains(t, err.Error(), line)
			}
		})
	}
}

func manyKeys() string {
	var b strings.Builder
	for i := range 200 {
		b.WriteString(" " + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "=1")
	}
	return b.String()
}

func TestReplyErr(t *testing.T) {
	for result, want := range map[string]string{
		"CANT_REACH_PEER": CantReachPeer, "DUPLICATED_ID": DuplicatedID, "DUPLICATE_ID": DuplicatedID,
		"DUPLICATED_DEST": DuplicatedDest, "DUPLICATE_DEST": DuplicatedDest, "NOVERSION": NoVersion,
		"something.of.its.own": otherResult,
	} {
		r, err := ParseReply("SESSION STATUS RESULT=" + result + ` MESSAGE="secret.i2p"`)
		require.NoError(t, err)
		require.True(t, IsResult(r.Err(), want), result)
		require.NotContains(t, r.Err().Error(), "secret.i2p", "the router's text may name somebody")
		require.NotContains(t, r.Err().Error(), "something")
	}
	r, err := ParseReply("SESSION STATUS ID=1")
	require.NoError(t, err)
	require.ErrorIs(t, r.Err(), anon.ErrProtocol)
	require.False(t, IsResult(errors.New("x"), InvalidID))
}

func FuzzParseReply(f *testing.F) {
	f.Add("HELLO REPLY RESULT=OK VERSION=3.1")
	f.Add(`STREAM STATUS RESULT=I2P_ERROR MESSAGE="a \" b" X`)
	f.Add("PING 123")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseReply(line)
		if err != nil {
			require.ErrorIs(t, err, anon.ErrProtocol)
			return
		}
		require.NotEmpty(t, r.Topic)
		require.LessOrEqual(t, len(r.pairs), maxPairs)
		for k, v := range r.pairs {
			require.NotEmpty(t, k)
			require.LessOrEqual(t, len(k)+len(v), len(line))
		}
	})
}
