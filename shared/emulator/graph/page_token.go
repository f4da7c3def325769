package graph

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// seal writes a value as an opaque token that only this emulator can read, so that a client that makes one up, or
// cuts one off, is refused.
func (e *Emulator) seal(purpose string, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("graph emulator: a token that is no JSON: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(append(e.mac(purpose, raw)[:8:8], raw...))
}

// unseal reads a token back; false where it is not one of ours, or was made for something else.
func (e *Emulator) unseal(purpose, token string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 8 || !hmac.Equal(raw[:8], e.mac(purpose, raw[8:])[:8]) {
		return false
	}
	return json.Unmarshal(raw[8:], v) == nil
}

func (e *Emulator) mac(purpose string, raw []byte) []byte {
	h := hmac.New(sha256.New, e.key)
	h.Write([]byte(purpose + "\x00"))
	h.Write(raw)
	return h.Sum(nil)
}

// place is where a list goes on: the group in a walk over several, and the place in it.
type place struct {
	Group  string `json:"g,omitempty"`
	At     int    `json:"a,omitempty"`
	Issued int64  `json:"t"`
	Begun  bool   `json:"b,omitempty"` // the empty first page was sent
}

// readPlace is where the call's $skiptoken says to go on. A token is good for the list that it was made for.
func (c *call) readPlace() (place, *refusal) {
	token := c.query.Get("$skiptoken")
	if token == "" {
		return place{}, nil
	}
	var p place
	if !c.e.unseal(c.pagePurpose(), token, &p) {
		return p, badRequest("Invalid skiptoken.")
	}
	if c.b.PageLife > 0 && c.e.since(time.Unix(p.Issued, 0)) > c.b.PageLife {
		return p, &refusal{
			status: 400, code: "Directory_ExpiredPageToken",
			message: "The specified page token value has expired and can no longer be included in your request.",
		}
	}
	return p, nil
}

func (c *call) pagePurpose() string { return c.route.name() + " " + c.id }

func (c *call) nextLink(p place) string {
	p.Issued = c.e.clock.Now().Unix()
	return c.link(c.e.seal(c.pagePurpose(), p))
}

// item is one object of a list with its place.
type item struct {
	place place
	id    string
}

// list answers a page of what walk yields from the place on. keep says whether an object is listed and gives it;
// it is not asked for more than the page and the object after it.
func (c *call) list(context string, walk func(from place, yield func(item) bool), keep func(id string) *object) reply {
	from, why := c.readPlace()
	if why != nil {
		return c.refuse(*why)
	}
	p := &page{context: context}
	if c.b.EmptyPages && !from.Begun {
		p.next = c.nextLink(place{Group: from.Group, At: from.At, Begun: true})
		return reply{status: 200, page: p}
	}
	size := c.pageSize()
	walk(from, func(i item) bool {
		if len(p.value) < size {
			if o := keep(i.id); o != nil {
				p.value = append(p.value, o)
			}
			return true
		}
		if keep(i.id) == nil {
			return true
		}
		i.place.Begun = true
		p.next = c.nextLink(i.place)
		return false
	})
	return reply{status: 200, page: p}
}

// counted puts @odata.count into the first page, where it was asked for.
func (c *call) counted(a reply, count func() int) reply {
	if a.page != nil && c.q.advanced() && c.query.Get("$skiptoken") == "" {
		n := count()
		a.page.count = &n
	}
	return a
}
