package entra_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

var ctx = context.Background()

func wantPerson(n int) member.Person {
	return member.Person{
		ID: person(n), UPN: fmt.Sprintf("u%d@example.com", n), DisplayName: fmt.Sprintf("User %d", n),
		SAMAccountName: fmt.Sprintf("u%d", n), MailNickname: fmt.Sprintf("u%d", n), Department: "Sales",
		PreferredLanguage: "de-DE", OnPremisesSID: "S-1-5-21-1", Enabled: true,
	}
}

func changed(v map[string]any, key string, value any) map[string]any {
	v[key] = value
	return v
}

func TestGroup(t *testing.T) {
	named := func(ids ...int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if got := r.URL.Query().Get("$filter"); got != "displayName eq 'O''Brien''s'" {
				t.Errorf("filter is %q", got)
			}
			var found []any
			for _, n := range ids {
				found = append(found, map[string]any{"id": group(n), "displayName": "O'Brien's", "visibility": "HiddenMembership", "groupTypes": []string{"DynamicMembership"}})
			}
			writeJSON(w, 200, values(found...))
		}
	}
	for name, c := range map[string]struct {
		ref   string
		graph http.HandlerFunc
		want  member.Group
		kind  fault.Kind
		says  []string
	}{
		"by id":         {group(1), goodGroup, member.Group{ID: group(1), Name: "Desktops"}, "", nil},
		"by name":       {"O'Brien's", named(2), member.Group{ID: group(2), Name: "O'Brien's", Hidden: true, Dynamic: true}, "", nil},
		"no such name":  {"O'Brien's", named(), member.Group{}, fault.NotFound, []string{"O'Brien's"}},
		"two of a name": {"O'Brien's", named(2, 3), member.Group{}, fault.Misconfigured, []string{group(2), group(3)}},
		"one, twice":    {"O'Brien's", named(2, 2), member.Group{ID: group(2), Name: "O'Brien's", Hidden: true, Dynamic: true}, "", nil},
		"empty":         {"", goodGroup, member.Group{}, fault.Misconfigured, nil},
		"no list":       {"O'Brien's", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]any{}) }, member.Group{}, fault.Unavailable, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := serve(t, c.graph).directory().Group(ctx, c.ref)
			_ = wantKind(t, err, c.kind)
			if got != c.want {
				t.Errorf("got %+v", got)
			}
			for _, part := range c.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no word of %s in %v", part, err)
				}
			}
		})
	}
}

func TestPeople(t *testing.T) {
	for name, c := range map[string]struct {
		answer []any
		want   map[string]member.Person
		kind   fault.Kind
	}{
		"found":                {[]any{user(1), user(2)}, map[string]member.Person{person(1): wantPerson(1), person(2): wantPerson(2)}, ""},
		"one is gone":          {[]any{user(2)}, map[string]member.Person{person(2): wantPerson(2)}, ""},
		"a stranger as well":   {[]any{user(2), user(9)}, map[string]member.Person{person(2): wantPerson(2)}, ""},
		"null name":            {[]any{user(1), changed(user(2), "userPrincipalName", nil)}, nil, fault.Denied},
		"null enabled":         {[]any{changed(user(1), "accountEnabled", nil)}, nil, fault.Denied},
		"no id":                {[]any{changed(user(1), "id", nil)}, nil, fault.Unavailable},
		"id in capitals":       {[]any{changed(user(1), "id", strings.ToUpper(person(1)))}, map[string]member.Person{person(1): func() member.Person { p := wantPerson(1); p.ID = strings.ToUpper(person(1)); return p }()}, ""},
		"disabled":             {[]any{changed(user(1), "accountEnabled", false)}, map[string]member.Person{person(1): func() member.Person { p := wantPerson(1); p.Enabled = false; return p }()}, ""},
		"guest by type":        {[]any{changed(user(1), "userType", "Guest")}, map[string]member.Person{person(1): func() member.Person { p := wantPerson(1); p.Guest = true; return p }()}, ""},
		"old guest, no type":   {[]any{changed(changed(user(1), "userType", nil), "userPrincipalName", "x_y#EXT#@z")}, map[string]member.Person{person(1): func() member.Person { p := wantPerson(1); p.Guest, p.UPN = true, "x_y#EXT#@z"; return p }()}, ""},
		"member, old, no type": {[]any{changed(user(1), "userType", nil)}, map[string]member.Person{person(1): wantPerson(1)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, batched(func(_, _ string, _ json.RawMessage) (int, map[string]string, any) {
				return 200, nil, values(c.answer...)
			}))
			got, err := s.directory().People(ctx, []string{person(1), person(2)})
			e := wantKind(t, err, c.kind)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if c.kind == fault.Denied && !strings.Contains(e.Advice, "User.Read.All") {
				t.Errorf("advice is %q", e.Advice)
			}
		})
	}
}

// usersIn answers the people whom a batch item's filter names.
func usersIn(t *testing.T, url string) map[string]any {
	r := httptest.NewRequest("GET", url, nil)
	list, ok := strings.CutPrefix(r.URL.Query().Get("$filter"), "id in (")
	ids := strings.Split(strings.TrimSuffix(list, ")"), ",")
	if !ok || len(ids) > 15 || r.URL.Path != "/users" || !strings.Contains(r.URL.Query().Get("$select"), "accountEnabled") {
		t.Errorf("item is %q", url)
	}
	var out []any
	for _, quoted := range ids {
		var n int
		if _, err := fmt.Sscanf(quoted[len(quoted)-13:len(quoted)-1], "%x", &n); err != nil {
			t.Errorf("id %s: %v", quoted, err)
		}
		out = append(out, user(n))
	}
	return values(out...)
}

func people(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = person(i + 1)
	}
	return ids
}

func TestPeopleInBatches(t *testing.T) {
	refusals := map[string]int{} // by item: the first answer of each is 429
	s := serve(t, nil)
	s.graph = batched(func(_, url string, _ json.RawMessage) (int, map[string]string, any) {
		if refusals[url]++; refusals[url] == 1 && strings.Contains(url, "000000000001%27") {
			return 429, map[string]string{"Retry-After": "11"}, graphError("TooManyRequests")
		}
		return 200, nil, usersIn(t, url)
	})
	got, err := s.directory().People(ctx, append(people(301), person(1), strings.ToUpper(person(2))))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 302 { // person 2 in both forms
		t.Errorf("got %d people", len(got))
	}
	for n := 1; n <= 301; n++ {
		if got[person(n)] != wantPerson(n) {
			t.Fatalf("person %d is %+v", n, got[person(n)])
		}
	}
	if len(s.asked) != 2 { // 21 items: 20, then the throttled one with the last
		t.Errorf("%d requests: %v", len(s.asked), s.asked)
	}
	if waited := s.clock.Now().Sub(noon).Seconds(); waited != 11 {
		t.Errorf("waited %vs", waited)
	}
}

// As long as a batch gets some items through, it goes on with the others.
func TestBatchGoesOnWhileItGetsAnywhere(t *testing.T) {
	rounds := 0
	s := serve(t, nil)
	var let string // the one item that gets through
	items := batched(func(_, url string, _ json.RawMessage) (int, map[string]string, any) {
		if let == "" {
			let = url
		}
		if url != let {
			return 429, nil, graphError("TooManyRequests")
		}
		return 200, nil, usersIn(t, url)
	})
	s.graph = func(w http.ResponseWriter, r *http.Request) {
		rounds++
		let = ""
		items(w, r)
	}
	got, err := s.directory().People(ctx, people(8*15))
	if err != nil || len(got) != 8*15 || rounds != 8 {
		t.Errorf("got %d people in %d rounds, %v", len(got), rounds, err)
	}
}

func TestPeopleNeverPartial(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		code   string
		body   any
		kind   fault.Kind
	}{
		"throttled to the end": {429, "TooManyRequests", nil, fault.Throttled},
		"unavailable":          {503, "serviceNotAvailable", nil, fault.Unavailable},
		"denied":               {403, "Authorization_RequestDenied", nil, fault.Denied},
		"bad request":          {400, "Request_BadRequest", nil, fault.Unknown},
		"failed dependency":    {424, "x", nil, fault.Unknown},
		"no list":              {200, "", map[string]any{}, fault.Unavailable},
		"null list":            {200, "", map[string]any{"value": nil}, fault.Unavailable},
		"text for a body":      {200, "", "PGh0bWw+", fault.Unavailable},
		"no body":              {200, "", nil, fault.Unavailable},
		"204":                  {204, "", nil, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, batched(func(_, url string, _ json.RawMessage) (int, map[string]string, any) {
				if !strings.Contains(url, "000000000001%27") {
					return 200, nil, usersIn(t, url)
				}
				if c.code != "" {
					return c.status, nil, graphError(c.code)
				}
				return c.status, nil, c.body
			}))
			got, err := s.directory().People(ctx, people(40))
			_ = wantKind(t, err, c.kind)
			if got != nil {
				t.Errorf("got %d people beside the error", len(got))
			}
		})
	}
}

func TestBatchThatAnswersTheWrongItems(t *testing.T) {
	for name, answer := range map[string]any{
		"leaves one out":     map[string]any{"responses": []any{}},
		"one that was not":   map[string]any{"responses": []any{map[string]any{"id": "7", "status": 200, "body": values()}}},
		"no responses":       map[string]any{},
		"null for responses": map[string]any{"responses": nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, answer) })
			_, err := s.directory().People(ctx, people(1))
			_ = wantKind(t, err, fault.Unavailable)
		})
	}
}

func TestPoisonedLinkInABatch(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent to another host") })
	s := serve(t, batched(func(string, string, json.RawMessage) (int, map[string]string, any) {
		return 200, nil, map[string]any{"value": []any{user(1)}, "@odata.nextLink": elsewhere.URL + "/v1.0/x"}
	}))
	got, err := s.directory().People(ctx, people(1))
	_ = wantKind(t, err, fault.Unknown)
	if got != nil {
		t.Errorf("got %d people beside the error", len(got))
	}
}

func TestIDsAreChecked(t *testing.T) {
	s := serve(t, goodGroup)
	d := s.directory()
	const bad = "x' or id ne '"
	_, err := d.People(ctx, []string{person(1), bad})
	_ = wantKind(t, err, fault.Misconfigured)
	_, err = d.Standings(ctx, []string{bad}, []string{group(1)}, true)
	_ = wantKind(t, err, fault.Misconfigured)
	_, err = d.Standings(ctx, []string{person(1)}, []string{bad}, true)
	_ = wantKind(t, err, fault.Misconfigured)
	_, err = d.Roll(ctx, bad, false)
	_ = wantKind(t, err, fault.Misconfigured)
	_, err = d.Count(ctx, bad)
	_ = wantKind(t, err, fault.Misconfigured)
	_, err = d.GroupChanges(ctx, member.Cursor{Groups: []string{bad}})
	_ = wantKind(t, err, fault.Misconfigured)
	_, err = d.GroupChanges(ctx, member.Cursor{})
	_ = wantKind(t, err, fault.Misconfigured)
	_, err = d.GroupChanges(ctx, member.Cursor{Groups: slices.Repeat([]string{group(1)}, 51)})
	_ = wantKind(t, err, fault.Misconfigured)
	if len(s.asked) != 0 {
		t.Errorf("asked %v", s.asked)
	}
}

// memberships is a small world for Standings: group 1 holds persons 1 and 2, person 9 does not exist.
type memberships struct {
	t      *testing.T
	gone   []string // groups that answer 404
	hidden []string
	seen   bool // hidden groups show members
	refuse int  // status of group reads, instead
	lost   bool // checkMemberGroups answers 404 as a whole where one of its groups is gone
}

func (m memberships) item(method, url string, body json.RawMessage) (int, map[string]string, any) {
	path, _, _ := strings.Cut(url, "?")
	part := strings.Split(path, "/")
	switch {
	case method == "POST" && part[3] == "checkMemberGroups":
		return m.check(part[2], body)
	case strings.HasSuffix(path, "/memberOf"):
		if part[2] == person(9) {
			return 404, nil, graphError("Request_ResourceNotFound")
		}
		return 200, nil, map[string]any{"value": []any{map[string]any{"id": group(77)}}, "@odata.nextLink": "BASE/memberOf/" + part[2]}
	case strings.HasSuffix(path, "/members"):
		if m.seen {
			return 200, nil, values(map[string]any{"id": person(5)})
		}
		return 200, nil, values()
	case slices.Contains(m.gone, part[2]):
		return 404, nil, graphError("Request_ResourceNotFound")
	case m.refuse != 0:
		return m.refuse, nil, graphError("x")
	}
	visibility := any(nil)
	if slices.Contains(m.hidden, part[2]) {
		visibility = "HiddenMembership"
	}
	return 200, nil, map[string]any{"id": part[2], "displayName": "G", "visibility": visibility}
}

func (m memberships) check(who string, body json.RawMessage) (int, map[string]string, any) {
	var in struct{ GroupIDs []string }
	if json.Unmarshal(body, &in) != nil || len(in.GroupIDs) == 0 || len(in.GroupIDs) > 20 {
		m.t.Errorf("checkMemberGroups with %s", body)
	}
	lost := m.lost && slices.ContainsFunc(in.GroupIDs, func(id string) bool { return slices.Contains(m.gone, id) })
	if who == person(9) || lost {
		return 404, nil, graphError("Request_ResourceNotFound")
	}
	yes := []any{}
	if slices.Contains(in.GroupIDs, group(1)) && who != person(3) {
		yes = append(yes, group(1))
	}
	return 200, nil, values(yes...)
}

func TestStandings(t *testing.T) {
	in, out, unknown := member.In, member.Out, member.Unknown
	for name, c := range map[string]struct {
		world    memberships
		people   []int
		groups   []int
		nested   bool
		want     [][]member.Standing // by person, by group
		requests int
	}{
		"few":                   {memberships{}, []int{1, 3}, []int{1, 2}, true, [][]member.Standing{{in, out}, {out, out}}, 1},
		"direct":                {memberships{}, []int{1, 3}, []int{1, 2}, false, [][]member.Standing{{in, out}, {out, out}}, 3},
		"a person is gone":      {memberships{}, []int{1, 9}, []int{1}, true, [][]member.Standing{{in}, {out}}, 1},
		"gone, direct":          {memberships{}, []int{9}, []int{1}, false, [][]member.Standing{{out}}, 1},
		"a group is gone":       {memberships{gone: []string{group(2)}}, []int{1, 3}, []int{1, 2}, true, [][]member.Standing{{in, unknown}, {out, unknown}}, 1},
		"gone, and 404 for all": {memberships{gone: []string{group(2)}, lost: true}, []int{1, 3, 9}, []int{1, 2}, true, [][]member.Standing{{in, unknown}, {out, unknown}, {out, unknown}}, 2},
		"the only group gone":   {memberships{gone: []string{group(1)}, lost: true}, []int{1}, []int{1}, true, [][]member.Standing{{unknown}}, 1},
		"hidden from us":        {memberships{hidden: []string{group(1), group(2)}}, []int{1, 3}, []int{1, 2}, true, [][]member.Standing{{in, unknown}, {unknown, unknown}}, 2},
		"hidden, but not to us": {memberships{hidden: []string{group(1), group(2)}, seen: true}, []int{1, 3}, []int{1, 2}, true, [][]member.Standing{{in, out}, {out, out}}, 2},
		"hidden, all in":        {memberships{hidden: []string{group(1)}}, []int{1, 2}, []int{1}, true, [][]member.Standing{{in}, {in}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.world.t = t
			s := serve(t, nil)
			items := batched(func(method, url string, body json.RawMessage) (int, map[string]string, any) {
				status, headers, answer := c.world.item(method, url, body)
				if m, ok := answer.(map[string]any); ok && m["@odata.nextLink"] != nil {
					m["@odata.nextLink"] = strings.Replace(m["@odata.nextLink"].(string), "BASE", s.URL+"/v1.0", 1)
				}
				return status, headers, answer
			})
			s.graph = func(w http.ResponseWriter, r *http.Request) {
				if who, ok := strings.CutPrefix(r.URL.Path, "/v1.0/memberOf/"); ok { // the second page of memberOf
					if who == person(3) {
						writeJSON(w, 200, values())
						return
					}
					writeJSON(w, 200, values(map[string]any{"@odata.type": "#microsoft.graph.group", "id": group(1)}))
					return
				}
				items(w, r)
			}
			var ids, groups []string
			for _, n := range c.people {
				ids = append(ids, person(n))
			}
			for _, n := range c.groups {
				groups = append(groups, group(n))
			}
			want := map[string]map[string]member.Standing{}
			for i, p := range ids {
				want[p] = map[string]member.Standing{}
				for j, g := range groups {
					want[p][g] = c.want[i][j]
				}
			}
			got, err := s.directory().Standings(ctx, ids, groups, c.nested)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if len(s.asked) != c.requests {
				t.Errorf("%d requests, want %d: %v", len(s.asked), c.requests, s.asked)
			}
		})
	}
}

func TestStandingsRefused(t *testing.T) {
	for status, kind := range map[int]fault.Kind{403: fault.Denied, 400: fault.Unknown, 429: fault.Throttled, 500: fault.Unavailable} {
		t.Run(string(kind), func(t *testing.T) {
			s := serve(t, batched(memberships{t: t, refuse: status}.item))
			got, err := s.directory().Standings(ctx, people(2), []string{group(1)}, true)
			_ = wantKind(t, err, kind)
			if got != nil {
				t.Errorf("got %v beside the error", got)
			}
		})
	}
}

func TestCost(t *testing.T) {
	for _, c := range []struct{ n, g, look int }{{0, 1, 0}, {1, 1, 2}, {15, 5, 2}, {300, 1, 17}, {301, 1, 18}, {1, 21, 3}} {
		if got := member.LookUps(c.n, c.g); got != c.look {
			t.Errorf("LookUps(%d, %d) = %d, want %d", c.n, c.g, got, c.look)
		}
	}
	for _, c := range []struct{ members, nested, pages int }{{0, 0, 1}, {999, 0, 1}, {1000, 0, 2}, {100000, 0, 101}, {100000, 3, 104}} {
		if got := member.RollPages(c.members, c.nested); got != c.pages {
			t.Errorf("RollPages(%d, %d) = %d, want %d", c.members, c.nested, got, c.pages)
		}
	}
	for _, c := range []struct {
		n, members int
		few        bool
	}{{1, 10, false}, {1, 10000, true}, {300, 10000, false}, {100, 10000, true}, {1, 1000, true}} {
		if got := member.FewIsCheaper(c.n, 1, member.RollPages(c.members, 0)); got != c.few {
			t.Errorf("FewIsCheaper(%d of %d) = %v: %d against %d", c.n, c.members, got, member.LookUps(c.n, 1), member.RollPages(c.members, 0))
		}
	}
}

// What the counting says is what is sent.
func TestCostIsWhatIsSent(t *testing.T) {
	for _, n := range []int{1, 15, 16, 20, 300, 301} {
		s := serve(t, nil)
		s.graph = batched(func(method, url string, body json.RawMessage) (int, map[string]string, any) {
			if strings.HasPrefix(url, "/users?") {
				return 200, nil, usersIn(t, url)
			}
			return memberships{t: t}.item(method, url, body)
		})
		d := s.directory()
		if _, err := d.People(ctx, people(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Standings(ctx, people(n), []string{group(1)}, true); err != nil {
			t.Fatal(err)
		}
		if got, want := len(s.asked), member.LookUps(n, 1); got != want || d.Requests() != int64(want) {
			t.Errorf("%d people: %d requests, counted %d, foretold %d", n, got, d.Requests(), want)
		}
	}
}
