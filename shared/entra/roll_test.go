package entra_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// tree serves the members of groups, some entries a page; what a group holds is data.
type tree struct {
	s       *server
	members map[string][]any
	hidden  []string
	size    int
}

func (tr *tree) serve(w http.ResponseWriter, r *http.Request) {
	part := strings.Split(r.URL.Path, "/") // "", v1.0, groups, id, members
	held, ok := tr.members[part[3]]
	if !ok {
		refuse(w, 404, "Request_ResourceNotFound")
		return
	}
	if len(part) == 4 {
		visibility := any(nil)
		if slices.Contains(tr.hidden, part[3]) {
			visibility = "HiddenMembership"
		}
		writeJSON(w, 200, map[string]any{"id": part[3], "displayName": "G", "visibility": visibility})
		return
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	to := min(from+tr.size, len(held))
	page := values(held[from:to]...)
	if to < len(held) {
		page["@odata.nextLink"] = fmt.Sprintf("%s%s?%s&$skiptoken=%d", tr.s.URL, r.URL.Path, "$select=id", to)
	}
	writeJSON(w, 200, page)
}

func newTree(t *testing.T, members map[string][]any) *tree {
	tr := &tree{members: members, size: 2}
	tr.s = serve(t, tr.serve)
	return tr
}

func device() map[string]any {
	return map[string]any{"@odata.type": "#microsoft.graph.device", "id": id('d', 1), "accountEnabled": nil}
}

func TestRoll(t *testing.T) {
	for name, c := range map[string]struct {
		members map[string][]any
		nested  bool
		via     map[int]string // person to path
		groups  []string
		others  int
		pages   int
	}{
		"flat, over pages": {
			map[string][]any{group(1): {user(1), user(2), user(3), user(4), user(5)}},
			true,
			map[int]string{1: "", 2: "", 3: "", 4: "", 5: ""},
			[]string{group(1)},
			0, 3,
		},
		"others are counted": {map[string][]any{group(1): {device(), user(1), device()}}, true, map[int]string{1: ""}, []string{group(1)}, 2, 2},
		"empty":              {map[string][]any{group(1): {}}, true, map[int]string{}, []string{group(1)}, 0, 1},
		"somebody twice":     {map[string][]any{group(1): {user(1), user(1), user(1)}}, true, map[int]string{1: ""}, []string{group(1)}, 0, 2},
		"nested, two deep": {
			map[string][]any{group(1): {nested(2), user(1)}, group(2): {nested(3), user(2)}, group(3): {user(3)}},
			true,
			map[int]string{1: "", 2: group(2), 3: group(2) + "/" + group(3)},
			[]string{group(1), group(2), group(3)},
			0, 3,
		},
		"nesting off": {map[string][]any{group(1): {nested(2), user(1)}, group(2): {user(2)}}, false, map[int]string{1: ""}, []string{group(1)}, 0, 1},
		"a cycle": {
			map[string][]any{group(1): {nested(2), user(1)}, group(2): {nested(1), nested(2), user(2)}},
			true,
			map[int]string{1: "", 2: group(2)},
			[]string{group(1), group(2)},
			0, 3,
		},
		"by two ways, the shorter counts": {
			map[string][]any{group(1): {nested(2), user(1)}, group(2): {user(1), user(2)}},
			true,
			map[int]string{1: "", 2: group(2)},
			[]string{group(1), group(2)},
			0, 2,
		},
		"a diamond is walked once": {
			map[string][]any{group(1): {nested(2), nested(3)}, group(2): {nested(4)}, group(3): {nested(4)}, group(4): {user(1)}},
			true,
			map[int]string{1: group(2) + "/" + group(4)},
			[]string{group(1), group(2), group(3), group(4)},
			0, 4,
		},
		"an empty nested group": {map[string][]any{group(1): {nested(2), user(1)}, group(2): {}}, true, map[int]string{1: ""}, []string{group(1), group(2)}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, c.members)
			want := member.Roll{
				Group: member.Group{ID: group(1)}, Nested: c.nested, People: map[string]member.Person{}, Via: map[string]string{},
				Groups: c.groups, Others: c.others, Direct: len(c.members[group(1)]), Pages: c.pages, Read: noon,
			}
			for n, via := range c.via {
				want.People[person(n)], want.Via[person(n)] = wantPerson(n), via
			}
			got, err := tr.s.directory().Roll(ctx, group(1), c.nested)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFirstPageAsksForTheMostAndWithoutACast(t *testing.T) {
	tr := newTree(t, map[string][]any{group(1): {user(1)}})
	if _, err := tr.s.directory().Roll(ctx, group(1), true); err != nil {
		t.Fatal(err)
	}
	if got := tr.s.asked[0]; !strings.HasPrefix(got, "GET /v1.0/groups/"+group(1)+"/members?") || !strings.Contains(got, "$top=999") ||
		!strings.Contains(got, "accountEnabled") || len(tr.s.asked) != 1 {
		t.Errorf("asked %v", tr.s.asked)
	}
}

func TestRollRefused(t *testing.T) {
	for name, c := range map[string]struct {
		members map[string][]any
		hidden  []string
		kind    fault.Kind
		says    string
	}{
		"the group is gone":      {map[string][]any{}, nil, fault.NotFound, group(1)},
		"a nested group is gone": {map[string][]any{group(1): {nested(2), user(1)}}, nil, fault.Unavailable, group(2)},
		"null fields":            {map[string][]any{group(1): {user(1), user(2), map[string]any{"@odata.type": "#microsoft.graph.user", "id": person(3), "userPrincipalName": nil, "accountEnabled": nil}}}, nil, fault.Denied, "User.Read.All"},
		"hidden, shows nobody":   {map[string][]any{group(1): {}}, []string{group(1)}, fault.Denied, "Member.Read.Hidden"},
		"nested one hides":       {map[string][]any{group(1): {nested(2), user(1)}, group(2): {}}, []string{group(2)}, fault.Denied, "Member.Read.Hidden"},
		"a member without type":  {map[string][]any{group(1): {changed(user(1), "@odata.type", nil)}}, nil, fault.Unavailable, "type"},
		"a person without id":    {map[string][]any{group(1): {changed(user(1), "id", nil)}}, nil, fault.Unavailable, "id"},
		"a group without id":     {map[string][]any{group(1): {changed(nested(1), "id", nil)}}, nil, fault.Unavailable, "id"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, c.members)
			tr.hidden = c.hidden
			got, err := tr.s.directory().Roll(ctx, group(1), true)
			_ = wantKind(t, err, c.kind)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("no word of %s in %v", c.says, err)
			}
			if len(got.People) != 0 {
				t.Errorf("%d people beside the error", len(got.People))
			}
		})
	}
}

func TestHiddenGroupThatShowsItsMembersIsRead(t *testing.T) {
	tr := newTree(t, map[string][]any{group(1): {user(1)}})
	tr.hidden = []string{group(1)}
	if got, err := tr.s.directory().Roll(ctx, group(1), true); err != nil || len(got.People) != 1 {
		t.Errorf("got %d people, %v", len(got.People), err)
	}
}

// Each fault at each request of a roll: once, it is overcome and the roll is whole; for good, it is an error.
func TestRollWithAFaultAtEachRequest(t *testing.T) {
	members := map[string][]any{group(1): {user(1), nested(2), user(3)}, group(2): {user(4), nested(3), user(5)}, group(3): {}}
	want, err := newTree(t, members).s.directory().Roll(ctx, group(1), true)
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]http.HandlerFunc{
		"429":       func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "3"); w.WriteHeader(429) },
		"500":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"503":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, "serviceNotAvailable") },
		"drop":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"HTML":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"truncated": func(w http.ResponseWriter, _ *http.Request) { cut(w) },
		"401":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, 401, "InvalidAuthenticationToken") },
	}
	for name, f := range faults {
		for at := 1; at <= 6; at++ { // 5 pages, and the group that is empty
			for _, times := range []int{1, 1000} {
				tr := newTree(t, members)
				n := 0
				tr.s.graph = func(w http.ResponseWriter, r *http.Request) {
					if n++; n >= at && n < at+times {
						f(w, r)
						return
					}
					tr.serve(w, r)
				}
				got, err := tr.s.directory().Roll(ctx, group(1), true)
				if times > 1 {
					if err == nil || len(got.People) != 0 {
						t.Errorf("%s for good at request %d: got %d people, %v", name, at, len(got.People), err)
					}
					continue
				}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s at request %d: %v %s", name, at, err, diff)
				}
			}
		}
	}
}

// cut breaks off in the middle of a page that began well.
func cut(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "500")
	io.WriteString(w, `{"value":[{"@odata.type":"#microsoft.graph.user","id":"`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestPageThatIsNoPage(t *testing.T) {
	for name, answer := range map[string]any{
		"nothing":           map[string]any{},
		"null list":         map[string]any{"value": nil},
		"an error with 200": graphError("x"),
		"a list of words":   map[string]any{"value": "words"},
		"a bare list":       []any{},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, answer) })
			_, err := s.directory().Roll(ctx, group(1), true)
			_ = wantKind(t, err, fault.Unavailable)
		})
	}
}

func TestEmptyPageWithANextLink(t *testing.T) {
	s := serve(t, nil)
	s.graph = func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("$skiptoken") {
		case "":
			writeJSON(w, 200, map[string]any{"value": []any{}, "@odata.nextLink": s.URL + "/v1.0/x?$skiptoken=1"})
		case "1":
			writeJSON(w, 200, map[string]any{"value": []any{user(1)}, "@odata.nextLink": s.URL + "/v1.0/x?$skiptoken=2"})
		default:
			writeJSON(w, 200, values())
		}
	}
	got, err := s.directory().Roll(ctx, group(1), true)
	if err != nil || len(got.People) != 1 || len(s.asked) != 3 {
		t.Errorf("got %d people in %d requests, %v", len(got.People), len(s.asked), err)
	}
}

func TestLinksThatLoop(t *testing.T) {
	s := serve(t, nil)
	s.graph = func(w http.ResponseWriter, r *http.Request) { // 1, 2, 3, 1, 2, 3, …
		n, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
		writeJSON(w, 200, map[string]any{"value": []any{user(1)}, "@odata.nextLink": fmt.Sprintf("%s/v1.0/x?$skiptoken=%d", s.URL, n%3+1)})
	}
	_, err := s.directory().Roll(ctx, group(1), true)
	_ = wantKind(t, err, fault.Unknown)
	if len(s.asked) != 4 {
		t.Errorf("%d requests until it was noticed", len(s.asked))
	}
	s.asked = nil
	_, err = s.directory().GroupChanges(ctx, member.Cursor{Groups: []string{group(1)}})
	_ = wantKind(t, err, fault.Unknown)
	if len(s.asked) != 4 {
		t.Errorf("%d requests until it was noticed in a feed", len(s.asked))
	}
}

// A next link is followed to Graph's own host only: by scheme, host and port. Nothing at all is sent elsewhere.
func TestPoisonedLink(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent to another host") })
	s := serve(t, nil)
	for name, link := range map[string]string{
		"another port": elsewhere.URL + "/v1.0/x?$skiptoken=1",
		"another host": "https://graph.microsoft.com.example.com/v1.0/x?$skiptoken=1",
		"plain http":   "http" + strings.TrimPrefix(s.URL, "https") + "/v1.0/x?$skiptoken=1",
		"with a user":  strings.Replace(s.URL, "https://", "https://me:pw@", 1) + "/v1.0/x?$skiptoken=1",
		"relative":     "/v1.0/x?$skiptoken=1",
		"no URL":       ":%",
	} {
		t.Run(name, func(t *testing.T) {
			s.asked = nil
			s.graph = func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, 200, map[string]any{"value": []any{}, "@odata.nextLink": link})
			}
			d := s.directory()
			_, err := d.Roll(ctx, group(1), true)
			_ = wantKind(t, err, fault.Unknown)
			_, err = d.Group(ctx, "A name")
			_ = wantKind(t, err, fault.Unknown)
			_, err = d.GroupChanges(ctx, member.Cursor{Groups: []string{group(1)}})
			_ = wantKind(t, err, fault.Unknown)
			before := len(s.asked)
			_, err = d.UserChanges(ctx, member.Cursor{Link: link}) // a stored one: the settings changed, start again
			_ = wantKind(t, err, fault.Expired)
			if len(s.asked) != before {
				t.Errorf("a stored link was followed: %v", s.asked)
			}
		})
	}
}

// A roll goes on from a position that was kept as JSON, after a crash at any page, and comes out the same.
func TestRollOverSeveralTicks(t *testing.T) {
	members := map[string][]any{group(1): {user(1), nested(2), user(3), nested(4)}, group(2): {user(4), nested(1), nested(3), user(5)}, group(3): {user(6)}, group(4): {}}
	tr := newTree(t, members)
	want, err := tr.s.directory().Roll(ctx, group(1), true)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := json.Marshal(member.Position{Group: group(1), Nested: true})
	if err != nil {
		t.Fatal(err)
	}
	people := map[string]member.Person{}
	var last member.Position
	for !last.Done {
		var p member.Position
		if err := json.Unmarshal(kept, &p); err != nil {
			t.Fatal(err)
		}
		before := fmt.Sprint(p)
		d := tr.s.directory() // another process each time
		first, err := d.NextPage(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := d.NextPage(ctx, p) // the position was not kept: the page is read again
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); p.Pages > 0 && diff != "" || fmt.Sprint(p) != before {
			t.Errorf("reading a page again gives another one, or changes the position: %s", diff)
		}
		for _, who := range first.People {
			people[who.ID] = who
		}
		last = first.Next
		if kept, err = json.Marshal(last); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want.People, people); diff != "" {
		t.Error(diff)
	}
	if last.Pages != want.Pages || last.Others != want.Others || !slices.Equal(last.Walked, want.Groups) {
		t.Errorf("ended at %+v, want %d pages, groups %v", last, want.Pages, want.Groups)
	}
	_, err = tr.s.directory().NextPage(ctx, last)
	_ = wantKind(t, err, fault.Unknown)
}

func TestPositionTooOld(t *testing.T) {
	for _, code := range []string{"Directory_ExpiredPageToken", "Request_BadRequest", "BrandNew"} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, code) })
		p := member.Position{Group: group(1), Started: noon, Link: s.URL + "/v1.0/groups/x/members?$skiptoken=old", Walked: []string{group(1)}}
		_, err := s.directory().NextPage(ctx, p)
		_ = wantKind(t, err, fault.Expired)
	}
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "Request_BadRequest") })
	_, err := s.directory().Roll(ctx, group(1), true) // no link: it is our request that is bad
	_ = wantKind(t, err, fault.Unknown)
}

func TestCount(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want int
		kind fault.Kind
	}{
		"a number":     {"893", 893, ""},
		"with a BOM":   {"\ufeff0", 0, ""},
		"not a number": {"many", 0, fault.Unavailable},
		"negative":     {"-1", 0, fault.Unavailable},
		"nothing":      {"", 0, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("ConsistencyLevel") != "eventual" || !strings.HasSuffix(r.URL.Path, "/members/$count") {
					refuse(w, 400, "Request_BadRequest")
					return
				}
				w.Header().Set("Content-Type", "text/plain")
				io.WriteString(w, c.body)
			})
			got, err := s.directory().Count(ctx, group(1))
			_ = wantKind(t, err, c.kind)
			if got != c.want {
				t.Errorf("got %d", got)
			}
		})
	}
}
