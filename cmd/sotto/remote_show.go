package main

import (
	"bytes"
	"fmt"
	"strings"

	"sotto/client/api"
	"sotto/client/config"
)

// shown is a remote as its owner needs it, and as --json prints it.
type shown struct {
	Event     string `json:"event"`
	Enabled   bool   `json:"enabled"`
	URL       string `json:"url,omitempty"`
	User      string `json:"user,omitempty"`
	Token     string `json:"token,omitempty"`
	Link      string `json:"link,omitempty"`       // the URL with user and token in it
	ClientKey string `json:"client_key,omitempty"` // as Tor Browser asks for it
	AuthLine  string `json:"auth_line,omitempty"`  // for a file in tor's ClientOnionAuthDir
}

func (r remote) show(token api.Token) shown {
	host, client := r.addr.Host(), string(r.client.Expose())
	return shown{
		Event: "remote", Enabled: true,
		URL: "http://" + host + remotePath, User: remoteUser, Token: token.Reveal(),
		Link:      "http://" + remoteUser + ":" + token.Reveal() + "@" + host + remotePath,
		ClientKey: client, AuthLine: strings.TrimSuffix(host, ".onion") + ":descriptor:x25519:" + client,
	}
}

// printRemote prints what opens the entrance; nil is one that is not there.
func (a *app) printRemote(cfg config.Config, r *remote) error {
	s := shown{Event: "remote"}
	if r != nil {
		token, err := apiToken(cfg.StateDir)
		if err != nil {
			return err
		}
		s = r.show(token)
	}
	switch {
	case a.json:
		return a.object(s)
	case r == nil:
		_, err := fmt.Fprintln(a.out, "remote control is off")
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, `remote control is on

address     %s
user        %s
token       %s
client key  %s
for tor     %s

Give the client key to Tor Browser when it asks for it, or put the line for tor
into a file NAME.auth_private in its ClientOnionAuthDir. The token is the password.
Whoever has client key and token steers this daemon as you do: show them to nobody.
`, s.URL, s.User, s.Token, s.ClientKey, s.AuthLine)
	if isTerminal(a.out) && !a.plain {
		for _, c := range []struct{ name, text string }{{"the address with the token", s.Link}, {"the client key", s.ClientKey}} {
			fmt.Fprintf(&text, "\n%s:\n", c.name)
			if err := drawQR(&text, c.text); err != nil {
				return err
			}
		}
	}
	_, err := a.out.Write(text.Bytes())
	return err
}
