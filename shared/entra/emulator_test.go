package entra_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/entra"
	"rollcall/shared/fault"
	"rollcall/shared/member"
	"rollcall/shared/redact"
)

// world is the emulated tenant behind TLS, and a Directory that reads it.
type world struct {
	testing.TB
	clock  *clock.Manual
	graph  *graph.Emulator
	tenant *graph.Tenant
	server *httptest.Server
	app    string
	d      *entra.Directory
}

func newWorld(t testing.TB, change ...func(*entra.Options)) *world {
	t.Helper()
	w := &world{TB: t, clock: clock.NewManual(noon)}
	w.graph = graph.New(w.clock, graph.WithSeed("entra"))
	w.tenant = w.graph.Tenant
	w.server = httptest.NewTLSServer(w.graph)
	t.Cleanup(w.server.Close)
	app, err := w.tenant.AddApp(graph.App{Name: "rollcall", Permissions: []string{"User.Read.All", "GroupMember.Read.All"}})
	w.ok(err)
	w.app = app.ClientID
	_, err = w.tenant.AddSecret(w.app, secret, time.Time{})
	w.ok(err)
	w.d = w.directory(change...)
	return w
}

func (w *world) directory(change ...func(*entra.Options)) *entra.Directory {
	o := entra.Options{
		Credential: entra.Credential{Tenant: w.tenant.ID, Client: w.app, Secret: redact.New(secret)},
		Authority:  w.server.URL, GraphURL: w.server.URL + "/v1.0", Transport: w.server.Client().Transport, Clock: w.clock,
	}
	for _, f := range change {
		f(&o)
	}
	d, err := entra.New(o)
	w.ok(err)
	return d
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) user(name string) string {
	w.Helper()
	u, err := w.tenant.AddUser(graph.User{
		UserPrincipalName: name + "@contoso.com", DisplayName: name, Department: "Sales",
		OnPremises: graph.OnPremises{Synced: true, SAMAccountName: name, SID: "S-1-5-21-7"},
	})
	w.ok(err)
	return u.ID
}

func (w *world) group(name string, members ...string) string {
	w.Helper()
	g, err := w.tenant.AddGroup(graph.Group{DisplayName: name})
	w.ok(err)
	for _, m := range members {
		w.ok(w.tenant.AddMember(g.ID, m))
	}
	return g.ID
}

// full makes a group of n people.
func (w *world) full(n int) (string, *graph.Crowd) {
	w.Helper()
	crowd, err := w.tenant.AddUsers("many-", n, nil)
	w.ok(err)
	g := w.group("Full")
	w.ok(w.tenant.AddMembers(g, crowd, 0, n))
	return g, crowd
}

// start begins a feed over groups.
func (w *world) start(groups ...string) member.Cursor {
	w.Helper()
	c := member.Cursor{Name: "chain", Groups: groups}
	for first := true; first || c.More; first = false {
		changes, err := w.d.GroupChanges(ctx, c)
		w.ok(err)
		if changes.People != nil || changes.Trees != nil {
			w.Errorf("the start of the feed named %v, %v", changes.People, changes.Trees)
		}
		c.Link, c.More = changes.Next, changes.More
	}
	return c
}

func TestAgainstTheEmulator(t *testing.T) {
	w := newWorld(t)
	ann, bob, eve := w.user("ann"), w.user("bob"), w.user("eve")
	inner := w.group("Inner", bob)
	outer := w.group("Outer", ann, inner)
	w.ok(w.tenant.AddMember(inner, outer)) // a cycle
	gone := w.group("Gone")
	w.ok(w.tenant.DeleteGroup(gone))

	g, err := w.d.Group(ctx, "Outer")
	w.ok(err)
	if want := (member.Group{ID: outer, Name: "Outer"}); g != want {
		t.Errorf("group is %+v", g)
	}
	roll, err := w.d.Roll(ctx, outer, true)
	w.ok(err)
	if roll.Pages != 2 || len(roll.People) != 2 || roll.Via[ann] != "" || roll.Via[bob] != inner {
		t.Errorf("roll is %+v", roll)
	}
	if got := roll.People[ann]; got.UPN != "ann@contoso.com" || got.SAMAccountName != "ann" || got.OnPremisesSID != "S-1-5-21-7" || got.Department != "Sales" || !got.Enabled {
		t.Errorf("ann is %+v", got)
	}
	n, err := w.d.Count(ctx, outer)
	w.ok(err)
	if n != 2 || n != roll.Direct { // ann, and the inner group
		t.Errorf("counted %d", n)
	}
	found, err := w.d.People(ctx, []string{ann, eve, id('f', 1)})
	w.ok(err)
	if len(found) != 2 || found[ann] != roll.People[ann] {
		t.Errorf("found %+v", found)
	}
	_, err = w.d.Group(ctx, gone)
	_ = wantKind(t, err, fault.NotFound)
	_, err = w.d.Roll(ctx, gone, true)
	_ = wantKind(t, err, fault.NotFound)

	for nested, bobs := range map[bool]member.Standing{true: member.In, false: member.Out} {
		got, err := w.d.Standings(ctx, []string{ann, bob, eve, id('f', 1)}, []string{outer, gone}, nested)
		w.ok(err)
		want := map[string]map[string]member.Standing{
			ann: {outer: member.In, gone: member.Unknown}, bob: {outer: bobs, gone: member.Unknown},
			eve: {outer: member.Out, gone: member.Unknown}, id('f', 1): {outer: member.Out, gone: member.Unknown},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("nested %v: %s", nested, diff)
		}
	}
}

func TestHiddenMembershipAgainstTheEmulator(t *testing.T) {
	for name, c := range map[string]struct {
		hidden graph.Hidden
		grant  bool
		roll   fault.Kind
		ann    member.Standing
		eve    member.Standing
	}{
		"shown as empty":   {graph.ShownEmpty, false, fault.Denied, member.Unknown, member.Unknown},
		"refused":          {graph.Denied, false, fault.Denied, member.Unknown, member.Unknown},
		"with permission":  {graph.ShownEmpty, true, fault.None, member.In, member.Out},
		"allowed, refused": {graph.Denied, true, fault.None, member.In, member.Out},
	} {
		for _, nested := range []bool{true, false} {
			t.Run(fmt.Sprint(name, nested), func(t *testing.T) {
				w := newWorld(t)
				w.graph.Configure(func(b *graph.Behaviour) { b.Hidden = c.hidden })
				if c.grant {
					w.ok(w.tenant.Grant(w.app, "Member.Read.Hidden"))
				}
				ann, eve := w.user("ann"), w.user("eve")
				g, err := w.tenant.AddGroup(graph.Group{DisplayName: "Secret", Visibility: graph.HiddenMembership})
				w.ok(err)
				w.ok(w.tenant.AddMember(g.ID, ann))
				_, err = w.d.Roll(ctx, g.ID, true)
				_ = wantKind(t, err, c.roll)
				got, err := w.d.Standings(ctx, []string{ann, eve}, []string{g.ID}, nested)
				w.ok(err)
				if got[ann][g.ID] != c.ann || got[eve][g.ID] != c.eve {
					t.Errorf("standings are %v", got)
				}
			})
		}
	}
}

func TestMissingPermissionAgainstTheEmulator(t *testing.T) {
	for permission, advice := range map[string]string{"User.Read.All": "User.Read.All", "GroupMember.Read.All": "GroupMember.Read.All"} {
		t.Run(permission, func(t *testing.T) {
			w := newWorld(t)
			ann := w.user("ann")
			g := w.group("G", ann)
			w.ok(w.tenant.Revoke(w.app, permission))
			_, err := w.d.Roll(ctx, g, true)
			if e := wantKind(t, err, fault.Denied); !strings.Contains(e.Advice, advice) {
				t.Errorf("advice is %q", e.Advice)
			}
			_, err = w.d.Standings(ctx, []string{ann}, []string{g}, true)
			_ = wantKind(t, err, fault.Denied)
			w.ok(w.tenant.Grant(w.app, permission)) // reaches new tokens only
			w.clock.Advance(5 * time.Minute)
			_, err = w.d.Roll(ctx, g, true)
			_ = wantKind(t, err, fault.Denied)
			_, err = w.d.Roll(ctx, g, true)
			w.ok(err)
		})
	}
}

func TestKeylessAgainstTheEmulator(t *testing.T) {
	part := func(v any) string { raw, _ := json.Marshal(v); return base64.RawURLEncoding.EncodeToString(raw) }
	for subject, kind := range map[string]fault.Kind{"arn:aws:iam::123456789012:role/planner": fault.None, "arn:aws:iam::123456789012:role/other": fault.Misconfigured} {
		w := newWorld(t)
		w.ok(w.tenant.Trust(w.app, graph.Federated{Issuer: "https://x.tokens.sts.global.api.aws", Subject: "arn:aws:iam::123456789012:role/planner"}))
		d := w.directory(func(o *entra.Options) {
			o.Credential.Secret = redact.Secret{}
			o.Credential.Assertion = func(context.Context) (string, error) {
				return part(map[string]any{"alg": "RS256", "typ": "JWT", "kid": "1"}) + "." + part(map[string]any{
					"iss": "https://x.tokens.sts.global.api.aws",
					"sub": subject, "aud": entra.Global.Audience(), "iat": noon.Unix(), "exp": noon.Add(5 * time.Minute).Unix(),
				}) + ".c2ln", nil
			}
		})
		_, err := d.Group(ctx, w.group("G"))
		if e := wantKind(t, err, kind); e != nil && !strings.Contains(e.Advice, "subject") && !strings.Contains(e.Advice, "federated credential") {
			t.Errorf("advice is %q", e.Advice)
		}
	}
}

// A token's life is the service's business: when it is over before we think so, the request is simply signed anew.
func TestTokenThatEndsEarly(t *testing.T) {
	w := newWorld(t)
	g := w.group("G")
	for range 3 {
		_, err := w.d.Group(ctx, g)
		w.ok(err)
		w.clock.Advance(2 * time.Hour)
	}
	if got := w.graph.Spent().Tokens; got != 3 {
		t.Errorf("%d tokens", got)
	}
}

// Whoever joins or leaves is named, whatever way the feed has of saying it.
func TestFeedsAgainstTheEmulator(t *testing.T) {
	for name, change := range map[string]func(*graph.Behaviour){
		"as documented":                   func(*graph.Behaviour) {},
		"tiny pages":                      func(b *graph.Behaviour) { b.DeltaGroups, b.DeltaMembers, b.DeltaUsers = 1, 1, 1 },
		"replays":                         func(b *graph.Behaviour) { b.Replay = graph.ReplayNet },
		"stale replays":                   func(b *graph.Behaviour) { b.Replay = graph.ReplayStale },
		"empty pages":                     func(b *graph.Behaviour) { b.EmptyPages = true },
		"latest is refused with a filter": func(b *graph.Behaviour) { b.LatestRefusesFilter = true },
	} {
		for _, feeds := range []entra.Start{entra.FromLatest, entra.FromWhole} {
			t.Run(name+" from "+string(feeds), func(t *testing.T) {
				w := newWorld(t, func(o *entra.Options) { o.Feeds = feeds })
				w.graph.Configure(change)
				ann, bob, eve, old := w.user("ann"), w.user("bob"), w.user("eve"), w.user("old")
				inner := w.group("Inner")
				g, other := w.group("G", ann, eve, old), w.group("Other", ann)
				w.ok(w.tenant.RemoveMember(g, old)) // leaves a tombstone
				c := w.start(g)
				users, err := w.d.UserChanges(ctx, member.Cursor{Name: "users"})
				w.ok(err)

				w.ok(w.tenant.AddMember(g, bob))
				w.ok(w.tenant.RemoveMember(g, ann))
				w.ok(w.tenant.AddMember(other, bob))
				got, err := w.d.GroupChanges(ctx, c)
				w.ok(err)
				if !slices.Contains(got.People, ann) || !slices.Contains(got.People, bob) || slices.Contains(got.Trees, g) {
					t.Errorf("named %v, %v", got.People, got.Trees)
				}
				c.Link = got.Next
				w.ok(w.tenant.AddMember(g, inner))
				if got, err = w.d.GroupChanges(ctx, c); err != nil || !slices.Contains(got.Trees, g) {
					t.Errorf("a group joined: %v, %v", got, err)
				}
				w.ok(w.tenant.DeleteGroup(g))
				c.Link = got.Next
				if got, err = w.d.GroupChanges(ctx, c); err != nil || !slices.Contains(got.Trees, g) {
					t.Errorf("the group was deleted: %v, %v", got, err)
				}
				w.ok(w.tenant.DisableUser(eve))
				w.ok(w.tenant.DeleteUser(bob))
				users, err = w.d.UserChanges(ctx, member.Cursor{Name: "users", Link: users.Next})
				w.ok(err)
				if !slices.Contains(users.People, eve) || !slices.Contains(users.People, bob) || users.More {
					t.Errorf("users named %v", users.People)
				}
			})
		}
	}
}

func TestExpiryAgainstTheEmulator(t *testing.T) {
	for _, how := range []graph.Expiry{graph.SyncStateNotFound, graph.NestedSyncState, graph.GoneWithLocation, graph.ExpiredPageToken} {
		w := newWorld(t)
		w.graph.Configure(func(b *graph.Behaviour) { b.Expired = how })
		c := w.start(w.group("G", w.user("ann")))
		w.clock.Advance(8 * 24 * time.Hour)
		_, err := w.d.GroupChanges(ctx, c)
		_ = wantKind(t, err, fault.Expired)
		c.Link = ""
		_, err = w.d.GroupChanges(ctx, c)
		w.ok(err)
	}
}

func TestEndlessFeedAgainstTheEmulator(t *testing.T) {
	w := newWorld(t)
	c := w.start(w.group("G", w.user("ann")))
	w.graph.Configure(func(b *graph.Behaviour) { b.EndlessDelta = true })
	_, err := w.d.GroupChanges(ctx, c)
	_ = wantKind(t, err, fault.Unknown)
	w.graph.Configure(func(b *graph.Behaviour) { b.EndlessDelta = false })
	_, err = w.d.GroupChanges(ctx, c) // the cursor did not move, and is as good as before
	w.ok(err)
}

// seenBy is everything that the package can say of a small tenant.
type seenBy struct {
	Group     member.Group
	Roll      member.Roll
	Count     int
	People    map[string]member.Person
	Nested    map[string]map[string]member.Standing
	Direct    map[string]map[string]member.Standing
	Joined    []string
	Trees     []string
	Disabled  []string
	lastError error
}

// read asks for everything, each thing alone: an error leaves a field empty and is kept.
func (w *world) read(outer, inner string, people []string, c, users member.Cursor) (s seenBy) {
	keep := func(err error) bool {
		if err != nil {
			s.lastError = err
		}
		return err == nil
	}
	if g, err := w.d.Group(ctx, "Outer"); keep(err) {
		s.Group = g
	}
	if r, err := w.d.Roll(ctx, outer, true); keep(err) {
		r.Read, r.Pages, r.Direct = time.Time{}, 0, 0 // a page that is read twice, or names somebody twice, adds to them
		s.Roll = r
	}
	if n, err := w.d.Count(ctx, outer); keep(err) {
		s.Count = n
	}
	if p, err := w.d.People(ctx, people); keep(err) {
		s.People = p
	}
	if st, err := w.d.Standings(ctx, people, []string{outer, inner}, true); keep(err) {
		s.Nested = st
	}
	if st, err := w.d.Standings(ctx, people, []string{outer, inner}, false); keep(err) {
		s.Direct = st
	}
	if ch, err := w.d.GroupChanges(ctx, c); keep(err) {
		s.Joined, s.Trees = ch.People, ch.Trees
	}
	if ch, err := w.d.UserChanges(ctx, users); keep(err) {
		s.Disabled = ch.People
	}
	return s
}

// newsworthy is a small tenant in which something has happened since the feeds began.
func newsworthy(t *testing.T) (w *world, read func() seenBy) {
	w = newWorld(t)
	ann, bob, eve := w.user("ann"), w.user("bob"), w.user("eve")
	inner := w.group("Inner", bob)
	outer := w.group("Outer", ann, inner)
	c := w.start(outer, inner)
	changes, err := w.d.UserChanges(ctx, member.Cursor{Name: "users"})
	w.ok(err)
	w.ok(w.tenant.AddMember(outer, eve))
	w.ok(w.tenant.DisableUser(ann))
	users := member.Cursor{Name: "users", Link: changes.Next}
	return w, func() seenBy { return w.read(outer, inner, []string{ann, bob, eve}, c, users) }
}

// Every fault at every operation: once, it is overcome, or the one answer is refused; for good, nothing that is
// returned differs from the truth. Whatever is not an error must be what a run without faults says.
func TestEveryFaultAtEveryOperation(t *testing.T) {
	_, read := newsworthy(t)
	want := read()
	if want.lastError != nil || len(want.Roll.People) != 3 || len(want.Joined) == 0 || len(want.Disabled) == 0 || want.Count != 3 {
		t.Fatalf("without a fault: %+v", want)
	}
	operations := []string{
		"GET /groups", "GET /groups/{id}", "GET /groups/{id}/members", "GET /groups/{id}/members/$count",
		"GET /groups/delta", "GET /users/delta", "GET /users", "POST /users/{id}/checkMemberGroups", "GET /users/{id}/memberOf", "POST /$batch",
	}
	failures := []graph.Failure{
		graph.TooMany, graph.TooManyBare, graph.Unavailable, graph.ServerError, graph.Timeout, graph.Forbidden,
		graph.Unauthorized, graph.HTML, graph.Disconnect, graph.HTMLOK, graph.TruncatedJSON, graph.DuplicateItem, graph.LoopedNext, graph.NullFields,
	}
	overcome := []graph.Failure{
		graph.TooMany, graph.TooManyBare, graph.Unavailable, graph.ServerError, graph.Timeout, graph.HTML,
		graph.Disconnect, graph.HTMLOK, graph.TruncatedJSON, graph.DuplicateItem,
	}
	for _, operation := range operations {
		for _, failure := range failures {
			for _, times := range []int{1, 0} {
				name := fmt.Sprintf("%s at %s, %d times", failure, operation, times)
				w, read := newsworthy(t)
				injected := w.graph.Inject(graph.Fault{Operation: operation, What: failure, Times: times, RetryAfter: 2 * time.Second})
				got := read()
				if injected.Hits() == 0 {
					t.Errorf("%s: hit nothing", name)
				}
				sameOrRefused(t, name, want, got)
				// An item of a batch that is cut short or HTML is no passing fault by itself: the whole answer is refused.
				if times == 1 && slices.Contains(overcome, failure) && got.lastError != nil && !inBatches(operation) {
					t.Errorf("%s was not overcome: %v", name, got.lastError)
				}
				injected.Stop()
				after := read()
				if after.lastError != nil {
					t.Errorf("%s, and then gone: %v", name, after.lastError)
				}
				sameOrRefused(t, name+", and then gone", want, after)
			}
		}
	}
}

func inBatches(operation string) bool {
	return slices.Contains([]string{"GET /groups/{id}", "GET /users", "POST /users/{id}/checkMemberGroups", "GET /users/{id}/memberOf"}, operation)
}

// sameOrRefused compares field by field; a field that is empty was refused, and then there is an error. A feed may
// name a group's whole tree instead of somebody in it: that person is then met by the roll.
func sameOrRefused(t *testing.T, name string, want, got seenBy) {
	t.Helper()
	w, g := reflect.ValueOf(want), reflect.ValueOf(got)
	for i := range w.NumField() - 1 {
		field := w.Type().Field(i).Name
		if g.Field(i).IsZero() && got.lastError != nil {
			continue
		}
		if wholeTree := slices.Contains(got.Trees, want.Group.ID); wholeTree && (field == "Joined" || field == "Trees") {
			continue
		}
		if diff := cmp.Diff(w.Field(i).Interface(), g.Field(i).Interface()); diff != "" {
			t.Errorf("%s: %s is not the truth (%v): %s", name, field, got.lastError, diff)
		}
	}
}

// Sign-in faults: once overcome, or an error; never a request without a token.
func TestEverySignInFaultAgainstTheEmulator(t *testing.T) {
	for _, failure := range []graph.Failure{graph.TooMany, graph.TooManyBare, graph.Unavailable, graph.ServerError, graph.Timeout, graph.HTML, graph.HTMLOK, graph.TruncatedJSON, graph.Disconnect} {
		w := newWorld(t)
		w.graph.Inject(graph.Fault{Operation: "POST /{tenant}/oauth2/v2.0/token", What: failure, Times: 1})
		if _, err := w.d.Group(ctx, w.group("G")); err != nil {
			t.Errorf("%s once: %v", failure, err)
		}
	}
}

// The figures of the issue, in counted requests.
func TestRequestsFollowTheChange(t *testing.T) {
	for _, size := range []int{10, 10_000, 1_000_000} {
		t.Run(fmt.Sprintf("quiet, %d members", size), func(t *testing.T) {
			w := newWorld(t)
			g, _ := w.full(size)
			c := w.start(g)
			users, err := w.d.UserChanges(ctx, member.Cursor{Name: "users"})
			w.ok(err)
			before := w.d.Requests()
			_, err = w.d.GroupChanges(ctx, c)
			w.ok(err)
			_, err = w.d.UserChanges(ctx, member.Cursor{Name: "users", Link: users.Next})
			w.ok(err)
			if got := w.d.Requests() - before; got != 2 {
				t.Errorf("%d requests", got)
			}
		})
	}
	t.Run("one join in a group of 10,000", func(t *testing.T) {
		w := newWorld(t)
		g, _ := w.full(10_000)
		c := w.start(g)
		users, err := w.d.UserChanges(ctx, member.Cursor{Name: "users"})
		w.ok(err)
		ann := w.user("ann")
		w.ok(w.tenant.AddMember(g, ann))
		before := w.d.Requests()
		changes, err := w.d.GroupChanges(ctx, c)
		w.ok(err)
		_, err = w.d.UserChanges(ctx, member.Cursor{Name: "users", Link: users.Next})
		w.ok(err)
		people, err := w.d.People(ctx, changes.People)
		w.ok(err)
		standings, err := w.d.Standings(ctx, changes.People, []string{g}, true)
		w.ok(err)
		if len(people) != 1 || people[ann].UPN != "ann@contoso.com" || standings[ann][g] != member.In {
			t.Errorf("people %v, standings %v", people, standings)
		}
		if got := w.d.Requests() - before; got != 4 {
			t.Errorf("%d requests, want 4", got)
		}
	})
	t.Run("a roll of 100,000 with 2 nested groups", func(t *testing.T) {
		w := newWorld(t)
		g, crowd := w.full(100_000)
		w.ok(w.tenant.AddMember(g, w.group("Inner", crowd.ID(1), w.user("ann"))))
		w.ok(w.tenant.AddMember(g, w.group("Inner too", w.user("bob"))))
		roll, err := w.d.Roll(ctx, g, true)
		w.ok(err)
		if got, want := w.d.Requests(), int64(member.RollPages(100_002, 2)); got != want || want != 103 || roll.Pages != 103 {
			t.Errorf("%d requests, %d pages, foretold %d", got, roll.Pages, want)
		}
		if len(roll.People) != 100_002 {
			t.Errorf("%d people", len(roll.People))
		}
	})
}

// BenchmarkRoll takes the roll of 100,000: over TLS, where the emulator works in the same process and its time is in
// the figure, and from recorded pages, which is the reading alone.
func BenchmarkRoll(b *testing.B) {
	for name, recorded := range map[string]bool{"over TLS with the emulator": false, "recorded": true} {
		b.Run(name, func(b *testing.B) {
			record := &recording{pages: map[string][]byte{}}
			w := newWorld(b, func(o *entra.Options) { record.through, o.Transport = o.Transport, record })
			g, _ := w.full(100_000)
			_, err := w.d.Roll(ctx, g, true) // signs in, and fills the recording
			w.ok(err)
			record.replay = recorded
			b.ReportAllocs()
			runtime.GC()
			requests, cpu := w.d.Requests(), processTime()
			var peak uint64
			for b.Loop() {
				roll, err := w.d.Roll(ctx, g, true)
				w.ok(err)
				if len(roll.People) != 100_000 {
					b.Fatal(len(roll.People))
				}
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
			b.ReportMetric(float64(w.d.Requests()-requests)/float64(b.N), "requests/op")
			b.ReportMetric((processTime()-cpu).Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(peak)/(1<<20), "heap-MiB")
		})
	}
}

// recording keeps the pages that pass, and can give them again.
type recording struct {
	through http.RoundTripper
	pages   map[string][]byte
	replay  bool
}

func (r *recording) RoundTrip(q *http.Request) (*http.Response, error) {
	if body, ok := r.pages[q.URL.String()]; ok && r.replay {
		return &http.Response{
			StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)),
			Body: io.NopCloser(bytes.NewReader(body)), Request: q,
		}, nil
	}
	response, err := r.through.RoundTrip(q)
	if err == nil && strings.HasSuffix(q.URL.Path, "/members") {
		body, broken := io.ReadAll(response.Body)
		response.Body.Close()
		r.pages[q.URL.String()], response.Body = body, io.NopCloser(bytes.NewReader(body))
		return response, broken
	}
	return response, err
}

// BenchmarkQuietFeed reads a feed in which nothing happened.
func BenchmarkQuietFeed(b *testing.B) {
	w := newWorld(b)
	g, _ := w.full(100_000)
	c := w.start(g)
	b.ReportAllocs()
	requests := w.d.Requests()
	for b.Loop() {
		changes, err := w.d.GroupChanges(ctx, c)
		w.ok(err)
		c.Link = changes.Next
	}
	b.ReportMetric(float64(w.d.Requests()-requests)/float64(b.N), "requests/op")
}

// processTime is the processor time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
