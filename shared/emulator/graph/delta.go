package graph

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mostFollowed is how many ids the filter of a delta query may name.
// https://learn.microsoft.com/graph/api/group-delta
const mostFollowed = 50

// tombstoneLife is how long the emulator remembers in a first answer who was removed: as long as a deleted user
// can be restored.
const tombstoneLife = 30 * 24 * time.Hour

// round is the state of a delta query, kept in its token and nowhere else. In a delta link, Upto is where the
// client stands. In a next link the round is under way: Parts say what it shows and Cursor where it is.
type round struct {
	Filter []string `json:"f,omitempty"` // ids that are followed; empty: all
	Select []string `json:"s,omitempty"`
	All    bool     `json:"*,omitempty"` // no $select was given
	Since  int64    `json:"p"`           // where the round began
	Upto   int64    `json:"u"`           // where it ends
	First  bool     `json:"1,omitempty"`
	Parts  []part   `json:"r,omitempty"`
	Cursor cursor   `json:"c,omitzero"`
	Begun  bool     `json:"b,omitempty"` // the empty first page was sent
	Began  int64    `json:"w"`           // when the round began
	Issued int64    `json:"t"`
	Epoch  int64    `json:"e,omitempty"`
}

// part is the changes (Since, Upto], shown as things were at AsOf.
type part struct {
	Since, Upto, AsOf int64
}

// cursor is where a round stands: the objects that are open, each with the place in its members, and the next
// object to open.
type cursor struct {
	Next int    `json:"n,omitempty"`
	Open []open `json:"o,omitempty"`
}

type open struct{ Object, At int }

// feed is what the two delta queries do not share.
type feed struct {
	path    string // "groups"
	known   []string
	objects func(v view, r *round) []entry
	page    func(v view, r *round, entries []entry) []*object
}

// entry is an object with something to show in a round.
type entry struct {
	id      string
	props   []string  // that changed
	whole   bool      // new, restored or gone: everything is news
	members *sequence // who joined or left, or in a first answer everyone ever
	part    part
	first   bool
}

// delta is GET /groups/delta and /users/delta. https://learn.microsoft.com/graph/delta-query-overview
func (c *call) delta(f feed) reply {
	for _, name := range []string{"$top", "$expand", "$orderby"} {
		if c.query.Has(name) {
			return c.refuse(*badRequest("The query parameter " + name + " is not supported by delta."))
		}
	}
	v := c.view(readDelta)
	r, asked, why := c.readRound(f, v)
	if why != nil {
		return c.refuse(*why)
	}
	context := c.context(f.path, nil)
	if len(r.Select) > 0 {
		context = c.context(f.path, r.Select)
	}
	p := &page{context: context}
	again := *r
	switch {
	case asked == "latest":
	case c.b.EmptyPages && !r.Begun:
		r.Begun = true
		p.next = c.roundLink(f, "$skiptoken", *r)
		return reply{status: http.StatusOK, page: p}
	default:
		p.value = f.page(v, r, f.objects(v, r))
	}
	switch {
	case c.b.EndlessDelta:
		p.next = c.roundLink(f, "$skiptoken", again)
	case r.Cursor.Next > 0 || len(r.Cursor.Open) > 0:
		r.Begun = true
		p.next = c.roundLink(f, "$skiptoken", *r)
	default:
		r.Parts, r.First, r.Cursor, r.Begun = nil, false, cursor{}, false
		p.delta = c.roundLink(f, "$deltatoken", *r)
	}
	return reply{status: http.StatusOK, page: p}
}

func (c *call) roundLink(f feed, kind string, r round) string {
	r.Issued, r.Epoch = c.e.clock.Now().Unix(), c.e.currentEpoch()
	return c.base + "/" + c.version + "/" + f.path + "/delta?" + kind + "=" + c.e.seal(f.path+kind, r)
}

func (e *Emulator) currentEpoch() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.epoch
}

// readRound is the round that the call begins or goes on with. asked is "latest" where only a link is wanted.
func (c *call) readRound(f feed, v view) (r *round, asked string, why *refusal) {
	if token := c.query.Get("$skiptoken"); token != "" {
		r, why = c.openRound(f, "$skiptoken", token)
		return r, "", why
	}
	token := c.query.Get("$deltatoken")
	if token == "" || token == "latest" {
		r, why = c.newRound(f, v, token)
		return r, token, why
	}
	if r, why = c.openRound(f, "$deltatoken", token); why != nil {
		return nil, "", why
	}
	r.Began = c.e.clock.Now().Unix()
	before, from := r.Since, r.Upto
	upto := max(v.seq, from) // a replica that lags behind the token has nothing new
	r.Since, r.Upto = from, upto
	r.Parts = []part{{from, upto, upto}}
	switch c.b.Replay {
	case ReplayNet:
		r.Parts = []part{{before, upto, upto}}
	case ReplayStale:
		r.Parts = append(r.Parts, part{before, from, from})
	}
	return r, "", nil
}

func (c *call) newRound(f feed, v view, token string) (*round, *refusal) {
	r := &round{
		All: c.q.selected == nil, Select: c.q.selected, Since: v.seq, Upto: v.seq, First: true,
		Began: c.e.clock.Now().Unix(),
	}
	if why := checkSelect(c.q.selected, strings.TrimSuffix(f.path, "s"), f.known...); why != nil {
		return nil, why
	}
	if c.q.filter != "" {
		if token == "latest" && c.b.LatestRefusesFilter {
			return nil, unsupported("$filter is not supported with $deltatoken=latest.")
		}
		flt, why := parseFilter(c.q.filter)
		if why != nil {
			return nil, why
		}
		if !flt.plain {
			return nil, unsupported("The only supported $filter of delta is on id: id eq '…' or id eq '…'.")
		}
		for _, id := range flt.ids {
			if !isID(id) {
				return nil, invalidID(id)
			}
			if !slices.Contains(r.Filter, id) {
				r.Filter = append(r.Filter, id)
			}
		}
		if len(r.Filter) > mostFollowed {
			return nil, badRequest("Number of filtered ids cannot exceed '" + strconv.Itoa(mostFollowed) + "'.")
		}
	}
	r.Parts = []part{{0, v.seq, v.seq}}
	return r, nil
}

// openRound reads a token back, and refuses one that is too old.
func (c *call) openRound(f feed, kind, token string) (*round, *refusal) {
	r := &round{}
	if !c.e.unseal(f.path+kind, token, r) {
		return nil, badRequest("Badly formed token.")
	}
	if r.Epoch == c.e.currentEpoch() && c.e.since(time.Unix(r.Issued, 0)) <= c.b.DeltaLife {
		return r, nil
	}
	return nil, c.expired(f, r)
}

// expired is what becomes of a token after seven days. Which of these Entra sends today is not known; Behaviour
// says which. https://learn.microsoft.com/graph/delta-query-overview
func (c *call) expired(f feed, r *round) *refusal {
	const message = "The sync state generation is not found. The delta token is expired and data must be " +
		"synchronized again."
	switch c.b.Expired {
	case NestedSyncState:
		return &refusal{status: http.StatusBadRequest, code: "BadRequest", inner: "syncStateNotFound", message: message}
	case ExpiredPageToken:
		return &refusal{status: http.StatusBadRequest, code: "Directory_ExpiredPageToken", message: message}
	case GoneWithLocation:
		q := ""
		if !r.All {
			q += "$select=" + url.QueryEscape(strings.Join(r.Select, ",")) + "&"
		}
		if len(r.Filter) > 0 {
			q += "$filter=" + url.QueryEscape("id eq '"+strings.Join(r.Filter, "' or id eq '")+"'") + "&"
		}
		return &refusal{
			status: http.StatusGone, code: "resyncRequired", message: "Resync required.",
			header: http.Header{"Location": {c.base + "/" + c.version + "/" + f.path + "/delta?" + q + "$deltatoken="}},
		}
	}
	return &refusal{status: http.StatusBadRequest, code: "syncStateNotFound", message: message}
}

// selected are the properties that the round shows; minimal is Prefer: return=minimal.
func (r *round) shows(name string, fallback []string) bool {
	if r.All {
		return slices.Contains(fallback, name)
	}
	return slices.Contains(r.Select, name)
}

func (c *call) minimal() bool {
	for _, v := range c.header.Values("Prefer") {
		for _, p := range strings.Split(v, ",") {
			if strings.EqualFold(strings.ReplaceAll(strings.TrimSpace(p), " ", ""), "return=minimal") {
				return true
			}
		}
	}
	return false
}

// removed marks an object that is gone: "changed" while it can be restored, "deleted" for good.
func removed(id string, l life) *object {
	reason := "deleted"
	if l == softDeleted {
		reason = "changed"
	}
	return (&object{}).set("id", id).set("@removed", (&object{}).set("reason", reason))
}

// fresh reports whether a tombstone was young enough for a first answer when the round began.
func (v view) fresh(r *round, seq int64) bool {
	return seq >= 1 && seq <= int64(len(v.log)) && time.Unix(r.Began, 0).Sub(v.log[seq-1].at) <= tombstoneLife
}

// lastStep is the number of the last change of something up to a number.
func lastStep[T any](h history[T], seq int64) int64 {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].seq <= seq {
			return h[i].seq
		}
	}
	return 0
}

// scalars sets the selected properties. One that was never set is left out; with minimal, so is one that did not
// change. https://learn.microsoft.com/graph/api/group-delta
func scalars[T any](o *object, names []string, h history[T], e entry, minimal bool, read func(*T, string) (any, bool)) {
	s, _ := h.at(e.part.AsOf)
	for _, name := range names {
		if name == "id" || minimal && !e.whole && !e.first && !slices.Contains(e.props, name) {
			continue
		}
		v, known := read(&s, name)
		if known && (v != nil || everSet(h, e.part.AsOf, name, read)) {
			o.set(name, v)
		}
	}
}

func everSet[T any](h history[T], seq int64, name string, read func(*T, string) (any, bool)) bool {
	for i := range h {
		if h[i].seq > seq {
			break
		}
		if v, _ := read(&h[i].value, name); v != nil {
			return true
		}
	}
	return false
}
