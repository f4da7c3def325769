package graph

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// claims are those of an app-only access token that anyone reads. A client must treat the token as opaque; that it
// is a JWT is how it looks in practice. https://learn.microsoft.com/entra/identity-platform/access-tokens
type claims struct {
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss"`
	IssuedAt int64    `json:"iat"`
	Before   int64    `json:"nbf"`
	Expires  int64    `json:"exp"`
	AppID    string   `json:"appid"`
	IDType   string   `json:"idtyp"`
	Roles    []string `json:"roles,omitempty"` // absent where nothing was granted
	Tenant   string   `json:"tid"`
	Version  string   `json:"ver"`
	ID       string   `json:"uti"`
}

// Token is an access token for the app as the token endpoint would issue it now, for tests that do without
// signing in. ErrNotFound where there is no such app.
func (e *Emulator) Token(client string) (string, error) {
	e.Tenant.mu.RLock()
	defer e.Tenant.mu.RUnlock()
	a := e.Tenant.apps[canonical(client)]
	if a == nil {
		return "", notFound("app", client)
	}
	return e.issue(a, e.audiences[0]), nil
}

// issue makes a token. The tenant's lock is held.
func (e *Emulator) issue(a *app, audience string) string {
	now := e.clock.Now()
	body, err := json.Marshal(claims{
		Audience: audience, Issuer: "https://sts.windows.net/" + e.Tenant.ID + "/",
		IssuedAt: now.Unix(), Before: now.Unix(), Expires: now.Add(e.Behaviour().TokenLife).Unix(),
		AppID: a.ClientID, IDType: "app", Roles: a.Permissions, Tenant: e.Tenant.ID, Version: "1.0", ID: e.ids.next(),
	})
	if err != nil {
		panic("graph emulator: claims that are no JSON: " + err.Error())
	}
	enc := base64.RawURLEncoding
	plain := enc.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." + enc.EncodeToString(body)
	return plain + "." + enc.EncodeToString(e.mac("access token", []byte(plain)))
}

// authenticate finds out who calls, and refuses a token that is missing, not ours, for somewhere else or expired.
func (c *call) authenticate() *refusal {
	token, bearer := strings.CutPrefix(c.header.Get("Authorization"), "Bearer ")
	if !bearer || token == "" {
		if c.e.anonymous != nil && c.header.Get("Authorization") == "" {
			c.who = grant{roles: c.e.anonymous}
			return nil
		}
		return unauthorized("Access token is empty.")
	}
	plain, signature, _ := cutLast(token, ".")
	_, body, _ := strings.Cut(plain, ".")
	sum, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(sum, c.e.mac("access token", []byte(plain))) {
		return unauthorized("Access token validation failure. Invalid signature.")
	}
	var cl claims
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &cl) != nil {
		return unauthorized("CompactToken parsing failed.")
	}
	if !c.e.knows(cl.Audience, c.base) {
		return unauthorized("Access token validation failure. Invalid audience.")
	}
	if !c.e.clock.Now().Before(time.Unix(cl.Expires, 0)) {
		return unauthorized("Lifetime validation failed, the token is expired.")
	}
	c.who = grant{app: cl.AppID, roles: cl.Roles}
	return nil
}

// knows reports whether a resource is this Graph.
func (e *Emulator) knows(resource, base string) bool {
	resource = strings.TrimRight(resource, "/")
	return strings.EqualFold(resource, base) || slices.ContainsFunc(e.audiences, func(a string) bool {
		return strings.EqualFold(resource, strings.TrimRight(a, "/"))
	})
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
