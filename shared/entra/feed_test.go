package entra_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/entra"
	"rollcall/shared/fault"
	"rollcall/shared/member"
)

func joined(n int) map[string]any {
	return map[string]any{"@odata.type": "#microsoft.graph.user", "id": person(n)}
}

func left(n int) map[string]any {
	return map[string]any{"@odata.type": "#microsoft.graph.user", "id": person(n), "@removed": map[string]any{"reason": "deleted"}}
}

func entry(n int, members ...any) map[string]any {
	return map[string]any{"id": group(n), "members@delta": members}
}

// feedServer serves pages in order: page n names page n+1, the last one the delta link.
func feedServer(t *testing.T, pages ...[]any) *server {
	s := serve(t, nil)
	s.graph = func(w http.ResponseWriter, r *http.Request) {
		n := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("$skiptoken"), &n) // none: the first page
		page := values(pages[n]...)
		if n+1 < len(pages) {
			page["@odata.nextLink"] = fmt.Sprintf("%s%s?$skiptoken=%d", s.URL, r.URL.Path, n+1)
		} else {
			page["@odata.deltaLink"] = s.URL + r.URL.Path + "?$deltatoken=new"
		}
		writeJSON(w, 200, page)
	}
	return s
}

func cursor(s *server) member.Cursor {
	return member.Cursor{Name: "chain", Groups: []string{group(1), group(2)}, Link: s.URL + "/v1.0/groups/delta()?$deltatoken=old"}
}

func TestGroupChanges(t *testing.T) {
	for name, c := range map[string]struct {
		pages  [][]any
		people []int
		trees  []int
	}{
		"quiet":                             {[][]any{{}}, nil, nil},
		"joins and leaves":                  {[][]any{{entry(1, joined(1), left(2))}}, []int{1, 2}, nil},
		"one group over pages":              {[][]any{{entry(1, joined(1))}, {entry(2, joined(2)), entry(1, joined(3))}}, []int{1, 2, 3}, nil},
		"replays":                           {[][]any{{entry(1, joined(1), left(1), joined(1))}, {entry(1, left(1))}}, []int{1}, nil},
		"an empty page in between":          {[][]any{{entry(1, joined(1))}, {}, {entry(1, joined(2))}}, []int{1, 2}, nil},
		"a group joins":                     {[][]any{{entry(1, nested(7))}}, nil, []int{1}},
		"a group leaves":                    {[][]any{{entry(1, changed(nested(7), "@removed", map[string]any{"reason": "deleted"}))}}, nil, []int{1}},
		"a device joins":                    {[][]any{{entry(1, device())}}, nil, nil},
		"the group is deleted":              {[][]any{{map[string]any{"id": group(2), "@removed": map[string]any{"reason": "changed"}}}}, nil, []int{2}},
		"deleted, with members left":        {[][]any{{changed(entry(2, left(1)), "@removed", map[string]any{"reason": "deleted"})}}, []int{1}, []int{2}},
		"no list of members":                {[][]any{{map[string]any{"id": group(1)}}}, nil, []int{1}},
		"an empty list":                     {[][]any{{entry(1)}}, nil, []int{1}},
		"another group's":                   {[][]any{{entry(9, joined(1), nested(7))}}, nil, nil},
		"a member without a type is both":   {[][]any{{entry(1, map[string]any{"id": person(4)})}}, []int{4}, []int{1}},
		"a member without an id":            {[][]any{{entry(1, changed(joined(1), "id", nil))}}, nil, []int{1}},
		"the group's id in capital letters": {[][]any{{changed(entry(1, joined(1)), "id", strings.ToUpper(group(1)))}}, []int{1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := feedServer(t, c.pages...)
			want := member.Changes{Next: s.URL + "/v1.0/groups/delta()?$deltatoken=new", Pages: len(c.pages)}
			for _, n := range c.people {
				want.People = append(want.People, person(n))
			}
			for _, n := range c.trees {
				want.Trees = append(want.Trees, group(n))
			}
			got, err := s.directory().GroupChanges(ctx, cursor(s))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUserChanges(t *testing.T) {
	s := feedServer(t, []any{map[string]any{"id": person(1), "accountEnabled": false}},
		[]any{map[string]any{"id": person(2), "@removed": map[string]any{"reason": "changed"}}, map[string]any{"id": person(1)}, map[string]any{}})
	got, err := s.directory().UserChanges(ctx, member.Cursor{Name: "users", Link: s.URL + "/v1.0/users/delta()?$deltatoken=old"})
	if err != nil {
		t.Fatal(err)
	}
	want := member.Changes{People: []string{person(1), person(2)}, Next: s.URL + "/v1.0/users/delta()?$deltatoken=new", Pages: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The links go out exactly as they came, and ask for no more than what changed.
func TestLinksAreVerbatim(t *testing.T) {
	s := serve(t, nil)
	const token = "$deltatoken=a%2Db%7E%24c.d-e_%2F%2B=="
	var raw, prefer string
	s.graph = func(w http.ResponseWriter, r *http.Request) {
		raw, prefer = r.URL.RawQuery, r.Header.Get("Prefer")
		writeJSON(w, 200, map[string]any{"value": []any{}, "@odata.deltaLink": s.URL + "/v1.0/groups/delta()?" + token})
	}
	d, c := s.directory(), cursor(s)
	for range 2 {
		got, err := d.GroupChanges(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		c.Link = got.Next
	}
	if raw != token || prefer != "return=minimal" {
		t.Errorf("asked with %q, Prefer %q", raw, prefer)
	}
}

func TestFeedStarts(t *testing.T) {
	filter := fmt.Sprintf("id eq '%s' or id eq '%s'", group(1), group(2))
	for name, c := range map[string]struct {
		feeds   entra.Start
		refused bool // latest together with a filter
		asked   int
	}{
		"from latest":               {entra.FromLatest, false, 1},
		"by default":                {"", false, 1},
		"latest is refused":         {entra.FromLatest, true, 4},
		"by reading the first pass": {entra.FromWhole, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			tombstones := []any{entry(1, left(1), joined(2)), map[string]any{"id": group(2), "@removed": map[string]any{"reason": "changed"}}}
			s := feedServer(t, tombstones, []any{entry(1, joined(3), nested(5))}, []any{entry(1, joined(4))})
			pages := s.graph
			s.graph = func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if q.Get("$skiptoken") == "" && (q.Get("$filter") != filter || q.Get("$select") != "members" || q.Has("$top")) {
					t.Errorf("started with %v", q)
				}
				switch {
				case q.Get("$deltatoken") == "latest" && c.refused:
					refuse(w, 400, "Request_UnsupportedQuery")
				case q.Get("$deltatoken") == "latest":
					writeJSON(w, 200, map[string]any{"value": []any{}, "@odata.deltaLink": s.URL + "/v1.0/groups/delta()?$deltatoken=new"})
				default:
					pages(w, r)
				}
			}
			d := s.directory(func(o *entra.Options) { o.Feeds = c.feeds })
			got, err := d.GroupChanges(ctx, member.Cursor{Name: "chain", Groups: []string{group(1), group(2)}})
			if err != nil {
				t.Fatal(err)
			}
			if got.People != nil || got.Trees != nil || got.More || !strings.HasSuffix(got.Next, "?$deltatoken=new") {
				t.Errorf("got %+v", got)
			}
			if len(s.asked) != c.asked {
				t.Errorf("%d requests, want %d", len(s.asked), c.asked)
			}
		})
	}
}

func TestUserFeedStartsFromNow(t *testing.T) {
	s := serve(t, nil)
	s.graph = func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("$deltatoken") != "latest" || !strings.Contains(q.Get("$select"), "accountEnabled") || q.Has("$filter") {
			t.Errorf("started with %v", q)
		}
		writeJSON(w, 200, map[string]any{"value": []any{}, "@odata.deltaLink": s.URL + "/v1.0/users/delta()?$deltatoken=new"})
	}
	got, err := s.directory().UserChanges(ctx, member.Cursor{Name: "users"})
	if err != nil || got.More || got.Next != s.URL+"/v1.0/users/delta()?$deltatoken=new" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A feed that is longer than a tick goes on from where it stopped: while it is started, and later.
func TestFeedLongerThanATick(t *testing.T) {
	for name, c := range map[string]struct {
		link   bool // an old feed, not a new one
		people []string
	}{
		"an old one": {true, []string{person(1), person(2), person(3)}},
		"a new one":  {false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := feedServer(t, []any{entry(1, joined(1))}, []any{entry(1, joined(2))}, []any{entry(1, joined(3))})
			left := 0
			d := s.directory(func(o *entra.Options) {
				o.Feeds = entra.FromWhole
				o.Budget = func(context.Context) time.Duration { left--; return time.Duration(left) * time.Second }
			})
			at := member.Cursor{Groups: []string{group(1)}}
			if c.link {
				at = cursor(s)
			}
			var people []string
			ticks := 0
			for at.Link == "" || at.More || ticks == 0 {
				ticks++
				left = 2 // one page: asked before it, and after it
				got, err := d.GroupChanges(ctx, at)
				if err != nil {
					t.Fatal(err)
				}
				if got.Pages != 1 {
					t.Errorf("%d pages in one tick", got.Pages)
				}
				people = append(people, got.People...)
				at.Link, at.More = got.Next, got.More
			}
			if ticks != 3 || !strings.HasSuffix(at.Link, "?$deltatoken=new") {
				t.Errorf("%d ticks, ended at %q", ticks, at.Link)
			}
			if diff := cmp.Diff(c.people, people); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFeedKeepsWhatItReadBeforeAThrottle(t *testing.T) {
	s := feedServer(t, []any{entry(1, joined(1))}, []any{entry(1, joined(2))})
	pages := s.graph
	s.graph = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("$skiptoken") == "1" {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
			return
		}
		pages(w, r)
	}
	got, err := s.directory().GroupChanges(ctx, cursor(s))
	want := member.Changes{People: []string{person(1)}, Next: s.URL + "/v1.0/groups/delta()?$skiptoken=1", More: true, Pages: 1}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestFeedExpired(t *testing.T) {
	nestedCode := map[string]any{"error": map[string]any{"code": "BadRequest", "message": "x", "innererror": map[string]any{"code": "syncStateNotFound"}}}
	for name, answer := range map[string]http.HandlerFunc{
		"400 syncStateNotFound":    func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "syncStateNotFound") },
		"400 with the code inside": func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 400, nestedCode) },
		"404 resyncRequired":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "resyncRequired") },
		"400 of an unknown code":   func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "Directory_Whatever") },
		"410 with a place to go to": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.example.com/?$deltatoken=")
			w.WriteHeader(410)
		},
		"410 resyncApplyDifferences": func(w http.ResponseWriter, _ *http.Request) { refuse(w, 410, "resyncApplyDifferences") },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer)
			_, err := s.directory().GroupChanges(ctx, cursor(s))
			_ = wantKind(t, err, fault.Expired)
			_, err = s.directory().UserChanges(ctx, member.Cursor{Link: s.URL + "/v1.0/users/delta?$deltatoken=old"})
			_ = wantKind(t, err, fault.Expired)
			if len(s.asked) != 2 {
				t.Errorf("asked %v", s.asked)
			}
		})
	}
}

func TestFeedPageThatIsNoPage(t *testing.T) {
	s := serve(t, nil)
	link := s.URL + "/v1.0/groups/delta()?$deltatoken=x"
	for name, answer := range map[string]any{
		"no list":       map[string]any{"@odata.deltaLink": link},
		"no link":       values(),
		"both links":    map[string]any{"value": []any{}, "@odata.deltaLink": link, "@odata.nextLink": link},
		"a bare list":   []any{},
		"error in 200":  graphError("x"),
		"list of words": map[string]any{"value": []string{"x"}, "@odata.deltaLink": link},
	} {
		t.Run(name, func(t *testing.T) {
			s.graph = func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, answer) }
			got, err := s.directory().GroupChanges(ctx, cursor(s))
			_ = wantKind(t, err, fault.Unavailable)
			if got.Next != "" {
				t.Errorf("the cursor would move to %q", got.Next)
			}
		})
	}
}

func TestFiftyGroupsFitInOneRequest(t *testing.T) {
	s := feedServer(t, []any{})
	c := member.Cursor{}
	for n := range member.MostGroups {
		c.Groups = append(c.Groups, group(n))
	}
	if _, err := s.directory().GroupChanges(ctx, c); err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(s.asked[0], "?")
	q, err := url.ParseQuery(query)
	if err != nil || strings.Count(q.Get("$filter"), " eq ") != 50 || len(s.asked) != 1 {
		t.Errorf("asked %v", s.asked)
	}
}

// Page tokens are nobody's business: neither an error nor the log repeats a query.
func TestPageTokensAreNotTold(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := s.directory().GroupChanges(ctx, cursor(s))
	_ = wantKind(t, err, fault.Unavailable)
	if strings.Contains(err.Error()+s.logs.String(), "deltatoken") || !strings.Contains(s.logs.String(), "groups/delta") {
		t.Errorf("error %v, log %s", err, s.logs.String())
	}
}

// Links without end that never repeat are left for the next tick after a thousand pages.
func TestFeedWithoutEnd(t *testing.T) {
	s := serve(t, nil)
	n := 0
	s.graph = func(w http.ResponseWriter, _ *http.Request) {
		n++
		writeJSON(w, 200, map[string]any{"value": []any{entry(1, joined(n))}, "@odata.nextLink": fmt.Sprintf("%s/v1.0/groups/delta()?$skiptoken=%d", s.URL, n)})
	}
	got, err := s.directory().GroupChanges(ctx, cursor(s))
	if err != nil || !got.More || got.Pages != 1000 || len(got.People) != 1000 || !strings.HasSuffix(got.Next, "=1000") {
		t.Errorf("%d pages, %d people, more %v, %v", got.Pages, len(got.People), got.More, err)
	}
}
