package planning_test

import (
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/emulator/graph"
	"rollcall/shared/entra"
)

// trouble is something that goes wrong in the story: it begins before one tick and is gone before another. Whatever it
// is, the story has to go on as without it soon after, and on the way nobody may be taken for a leaver who is none.
type trouble struct {
	name        string
	from, ticks int                     // the tick before which it begins, and for how many it lasts
	begin       func(c *company) func() // what it returns ends it, and complains where it hit nothing
	lag         time.Duration           // how far behind the truth it lets Graph be
	lasting     bool                    // it is never gone, so the end may be another one; what is said on the way must be true
	late        bool                    // what it hid from a feed is found by the daily roll only
}

// mended is how many ticks after a fault is gone everything is as if it had not been: an order, a desktop, two looks
// at somebody who left, or a roll that is put off for a quarter of an hour.
const mended = 6

func (tr trouble) run(t *testing.T, without []map[string]string) {
	c := newCompany(t)
	c.lag = tr.lag
	var end func()
	c.play(func(n int) {
		if n == tr.from {
			end = tr.begin(c)
		}
		if n == tr.from+tr.ticks {
			end()
		}
	}, func(n int) {
		scene, last := n/ticksOfScene, n%ticksOfScene == ticksOfScene-1
		if !last || tr.late || tr.lasting || n < tr.from+tr.ticks+mended {
			return
		}
		if diff := cmp.Diff(without[scene], c.end()); diff != "" {
			t.Errorf("at the end of scene %q something is not as without the fault:\n%s", story()[scene].name, diff)
		}
	})
	if diff := cmp.Diff(ending(), c.end()); diff != "" && !tr.lasting {
		t.Errorf("the story does not end as without the fault:\n%s", diff)
	}
}

// withoutFaults is how each scene ends.
func withoutFaults(t *testing.T) (ends []map[string]string) {
	c := newCompany(t)
	c.play(nil, func(n int) {
		if n%ticksOfScene == ticksOfScene-1 {
			ends = append(ends, c.end())
		}
	})
	return ends
}

// injecting is a fault of the emulator's, at a kind of request.
func injecting(f graph.Fault) func(c *company) func() {
	return func(c *company) func() {
		i := c.graph.Inject(f)
		return func() {
			i.Stop()
			if i.Hits() == 0 {
				c.Error("the fault hit nothing: this case shows nothing")
			}
		}
	}
}

// behaving is a way of the service's that is not always there.
func behaving(change func(*graph.Behaviour)) func(c *company) func() {
	return func(c *company) func() {
		usual := c.graph.Behaviour()
		c.graph.Configure(change)
		return func() { c.graph.Configure(func(b *graph.Behaviour) { *b = usual }) }
	}
}

// several is how many ticks a fault lasts that goes on for a while: longer than a "no" waits for its second look.
const several = 4

// failing is everything that a request can meet; what is answered badly is in the second part.
func failing() []graph.Fault {
	return []graph.Fault{
		{What: graph.TooMany, RetryAfter: 20 * time.Second},
		{What: graph.TooMany, RetryAfter: 20 * time.Minute}, // longer than the tick may take
		{What: graph.TooMany},
		{What: graph.TooManyBare},
		{What: graph.Unavailable},
		{What: graph.ServerError},
		{What: graph.Timeout},
		{What: graph.Forbidden},
		{What: graph.Unauthorized},
		{What: graph.HTML},
		{What: graph.Disconnect},

		{What: graph.HTMLOK},
		{What: graph.TruncatedJSON},
		{What: graph.DuplicateItem},
		{What: graph.LoopedNext},
		{What: graph.EmptyPage},
		{What: graph.NullFields},
		{What: graph.NoMembers},
		{What: graph.Slow, Delay: 25 * time.Second},
	}
}

// meets reports whether a failure can show at a kind of request: not everything has pages.
func meets(operation string, what graph.Failure) bool {
	pages := slices.Contains([]string{
		"GET /groups", "GET /groups/delta", "GET /groups/{id}/members", "GET /users",
		"GET /users/delta", "GET /users/{id}/memberOf",
	}, operation)
	switch what {
	case graph.DuplicateItem, graph.LoopedNext, graph.EmptyPage:
		return pages
	case graph.NullFields:
		return operation != signIn && operation != "GET /groups/{id}/members/$count"
	case graph.NoMembers:
		return operation == "GET /groups/delta"
	}
	return true
}

// lies reports whether a failure makes an answer about single people that is complete, well-formed and wrong. Nothing
// tells it from the truth but that it does not last: a "no" needs a second look.
func lies(operation string, what graph.Failure) bool {
	return what == graph.EmptyPage && (operation == "GET /users" || operation == "GET /users/{id}/memberOf")
}

const signIn = "POST /{tenant}/oauth2/v2.0/token"

// counts is how often each kind of request is made in each tick of the story.
type counts map[string]map[int]int

// within is how often an operation is asked for in some ticks.
func (n counts) within(operation string, from, ticks int) (sum int) {
	for tick := from; tick < from+ticks; tick++ {
		sum += n[operation][tick]
	}
	return sum
}

func requestsOfTheStory(t *testing.T) counts {
	found := counts{}
	c := newCompany(t)
	before := c.graph.Spent()
	c.play(nil, func(tick int) {
		now := c.graph.Spent()
		now.ByOperation[signIn], before.ByOperation[signIn] = now.Tokens, before.Tokens
		for operation, times := range now.ByOperation {
			if found[operation] == nil {
				found[operation] = map[int]int{}
			}
			found[operation][tick] = times - before.ByOperation[operation]
		}
		before = now
	})
	return found
}

// spans are how long a fault lasts: one request, a whole tick, several ticks, or all but the first request of a kind
// in several ticks.
func spans() []struct {
	name               string
	ticks, skip, times int
} {
	return []struct {
		name               string
		ticks, skip, times int
	}{
		{"once", 1, 0, 1},
		{"a tick", 1, 0, 0},
		{"several ticks", several, 0, 0},
		{"several ticks, from the second request on", several, 1, 0},
	}
}

func TestEveryFaultAtEveryRequestOfTheStory(t *testing.T) {
	made := requestsOfTheStory(t)
	operations := []string{
		"GET /groups", "GET /groups/delta", "GET /groups/{id}", "GET /groups/{id}/members",
		"GET /groups/{id}/members/$count", "GET /users", "GET /users/delta", "GET /users/{id}/memberOf", "POST /$batch",
		"POST /users/{id}/checkMemberGroups", signIn,
	}
	for operation := range made {
		if !slices.Contains(operations, operation) {
			t.Errorf("the story asks %s, at which no fault is tried", operation)
		}
	}
	var all []trouble
	for _, operation := range operations {
		for _, f := range failing() {
			if !meets(operation, f.What) {
				continue
			}
			f.Operation = operation
			for _, span := range spans() {
				f.Skip, f.Times = span.skip, span.times
				if lies(operation, f.What) && span.ticks > 2 {
					continue
				}
				for tick := range len(story()) * ticksOfScene {
					if made[operation][tick] == 0 || made.within(operation, tick, span.ticks) <= f.Skip {
						continue
					}
					all = append(all, trouble{
						begin: injecting(f), from: tick, ticks: span.ticks,
						name: fmt.Sprintf("%s/%s%s/%s, tick %d", strings.ReplaceAll(operation, "/", "|"), f.What, retry(f), span.name, tick),
					})
				}
			}
		}
	}
	play(t, all)
}

// play plays some of the cases: one of a kind (a name up to its last part) as a rule, one kind in eight with -short,
// and all of them with ROLLCALL_FAULTS=all, which takes an hour.
func play(t *testing.T, all []trouble) {
	kinds, order := map[string][]trouble{}, []string{}
	for _, tr := range all {
		kind := tr.name[:strings.LastIndex(tr.name, "/")]
		if kinds[kind] == nil {
			order = append(order, kind)
		}
		kinds[kind] = append(kinds[kind], tr)
	}
	played, without := 0, withoutFaults(t)
	for i, kind := range order {
		some := kinds[kind]
		if os.Getenv("ROLLCALL_FAULTS") != "all" {
			h := fnv.New32a()
			fmt.Fprint(h, kind)
			some = eventful(some)
			some = some[int(h.Sum32())%len(some):][:1]
		}
		if testing.Short() && i%8 != 0 {
			continue
		}
		for _, tr := range some {
			played++
			t.Run(tr.name, func(t *testing.T) {
				t.Parallel()
				tr.run(t, without)
			})
		}
	}
	t.Logf("played %d of %d cases", played, len(all))
}

// eventful are the cases that begin soon after something has happened in the story, if there are any.
func eventful(all []trouble) []trouble {
	soon := slices.DeleteFunc(slices.Clone(all), func(tr trouble) bool { return tr.from%ticksOfScene > 2 })
	if len(soon) == 0 {
		return all
	}
	return soon
}

func retry(f graph.Fault) string {
	if f.RetryAfter == 0 {
		return ""
	}
	return " retry after " + f.RetryAfter.String()
}

// during are cases of one trouble that begins before some tick and lasts for several.
func during(name string, lag time.Duration, begin func(c *company) func()) (all []trouble) {
	for from := range len(story()) * ticksOfScene {
		all = append(all, trouble{name: fmt.Sprintf("%s/tick %d", name, from), from: from, ticks: several, begin: begin, lag: lag})
	}
	return all
}

// always is one that is there from the first tick on and never gone.
func always(name string, lag time.Duration, begin func(c *company) func()) trouble {
	return trouble{name: name + ", always/from the first tick on", ticks: len(story()) * ticksOfScene, begin: begin, lag: lag}
}

// expiring is a tenant that forgets all links at once.
func expiring(how graph.Expiry, refusesLatest bool) func(c *company) func() {
	return func(c *company) func() {
		c.graph.Configure(func(b *graph.Behaviour) { b.Expired, b.LatestRefusesFilter = how, refusesLatest })
		c.graph.ExpireDeltaLinks()
		return func() { c.graph.Configure(func(b *graph.Behaviour) { b.LatestRefusesFilter = false }) }
	}
}

// revoking takes a permission back. That reaches new tokens only, so the tokens live for a tick.
func revoking(permission string) func(c *company) func() {
	return func(c *company) func() {
		c.graph.Configure(func(b *graph.Behaviour) { b.TokenLife = every / 2 })
		c.ok(c.tenant.Revoke(c.app, permission))
		return func() { c.ok(c.tenant.Grant(c.app, permission)) }
	}
}

// hiding hides the membership of a group.
func hiding(group string, how graph.Hidden) func(c *company) func() {
	return func(c *company) func() {
		c.graph.Configure(func(b *graph.Behaviour) { b.Hidden = how })
		c.ok(c.tenant.HideMembership(c.ids[group]))
		return func() {
			c.ok(c.tenant.UpdateGroup(c.ids[group], func(g *graph.Group) { g.Visibility = "" }))
		}
	}
}

// ways are what the service may do by its own documentation, or was seen to do. None of it does any harm, however
// long it lasts.
func ways() map[string]func(*graph.Behaviour) {
	return map[string]func(*graph.Behaviour){
		"empty pages with a next link":           func(b *graph.Behaviour) { b.EmptyPages = true },
		"replays":                                func(b *graph.Behaviour) { b.Replay = graph.ReplayNet },
		"stale replays":                          func(b *graph.Behaviour) { b.Replay = graph.ReplayStale },
		"one thing a page":                       func(b *graph.Behaviour) { b.DeltaGroups, b.DeltaMembers, b.DeltaUsers = 1, 1, 1 },
		"soft-deleted members are listed":        func(b *graph.Behaviour) { b.SoftDeletedMembers = true },
		"a purge that the feed of groups misses": func(b *graph.Behaviour) { b.PurgeUnseen = true },
		"few requests a second":                  func(b *graph.Behaviour) { b.RequestsPerSecond = 1 },
		"few units":                              func(b *graph.Behaviour) { b.UnitsPer10s = 20 },
		"tokens that die at once":                func(b *graph.Behaviour) { b.TokenLife = time.Second },
		"latest is refused with a filter":        func(b *graph.Behaviour) { b.LatestRefusesFilter = true },
	}
}

func TestEveryWayOfTheServiceDuringTheStory(t *testing.T) {
	var all []trouble
	for name, change := range ways() {
		for _, tr := range append(during(name, 0, behaving(change)), always(name, 0, behaving(change))) {
			tr.late = strings.HasPrefix(name, "soft-deleted") // a page cannot tell that they are deleted; no feed says it again
			all = append(all, tr)
		}
	}
	slices.SortStableFunc(all, func(a, b trouble) int { return strings.Compare(a.name, b.name) })
	play(t, all)
}

// Where the service withholds something, for a while or for good, nobody is a leaver because of it.
func TestEverythingWithheldDuringTheStory(t *testing.T) {
	withheld := map[string]func(c *company) func(){
		"a feed without end":          behaving(func(b *graph.Behaviour) { b.EndlessDelta = true }),
		"next links that die at once": behaving(func(b *graph.Behaviour) { b.PageLife = time.Nanosecond }),
		"without " + readUsers:        revoking(readUsers),
		"without " + readMembers:      revoking(readMembers),
	}
	for _, how := range []graph.Expiry{graph.SyncStateNotFound, graph.NestedSyncState, graph.ExpiredPageToken, graph.GoneWithLocation} {
		withheld["links are forgotten: "+string(how)] = expiring(how, false)
		withheld["links are forgotten, and the first pass has tombstones: "+string(how)] = expiring(how, true)
	}
	for _, group := range []string{"Sales", "Inner", "Lab"} {
		for _, how := range []graph.Hidden{graph.ShownEmpty, graph.Denied} {
			withheld["members are hidden: "+group+", "+string(how)] = hiding(group, how)
		}
	}
	var all []trouble
	for _, name := range slices.Sorted(maps.Keys(withheld)) {
		all = append(all, during(name, 0, withheld[name])...)
		if strings.Contains(name, "Lab") { // never read, so the ledger knows of nobody whom it entitles
			continue
		}
		forGood := always(name, 0, withheld[name])
		forGood.lasting = true
		all = append(all, forGood)
	}
	play(t, all)
}

// Replicas lag, all alike or each kind of read by itself, evenly or not.
func TestEveryLagDuringTheStory(t *testing.T) {
	var all []trouble
	for _, kind := range []struct {
		name string
		lag  graph.Lag
	}{
		{"everywhere", graph.Everywhere(1)},
		{"people", graph.Lag{Lookup: 1}},
		{"members", graph.Lag{Members: 1}},
		{"membership checks", graph.Lag{Check: 1}},
		{"index", graph.Lag{Index: 1}},
		{"feeds", graph.Lag{Delta: 1}},
	} {
		for _, uneven := range []bool{false, true} {
			for _, d := range []time.Duration{time.Minute, 7 * time.Minute, 17 * time.Minute} {
				lag := graph.Lag{
					Lookup: kind.lag.Lookup * d, Members: kind.lag.Members * d, Check: kind.lag.Check * d,
					Index: kind.lag.Index * d, Delta: kind.lag.Delta * d,
				}
				name := fmt.Sprintf("%s, %s, uneven %v", kind.name, d, uneven)
				begin := behaving(func(b *graph.Behaviour) { b.Lag, b.Uneven = lag, uneven })
				for _, tr := range append(during(name, d, begin), always(name, d, begin)) {
					tr.late = true // a look that a feed asked for may be answered by a replica that has not heard of it
					all = append(all, tr)
				}
			}
		}
	}
	play(t, all)
}

// The documented way of starting a feed reads every member of every group first, tombstones included.
func TestTheStoryWithFeedsThatStartFromTheirFirstPass(t *testing.T) {
	c := newCompany(t, func(o *entra.Options) { o.Feeds = entra.FromWhole })
	c.play(nil, nil)
	if diff := cmp.Diff(ending(), c.end()); diff != "" {
		t.Error(diff)
	}
	for _, err := range c.failures {
		t.Error(err)
	}
}

// Links live for seven days. When the schedule was off for longer, everything is read again, and that by itself
// removes nobody.
func TestEightDaysWithoutATick(t *testing.T) {
	for _, how := range []graph.Expiry{graph.SyncStateNotFound, graph.NestedSyncState, graph.ExpiredPageToken, graph.GoneWithLocation} {
		t.Run(string(how), func(t *testing.T) {
			c := newCompany(t)
			c.graph.Configure(func(b *graph.Behaviour) { b.Expired = how })
			for _, name := range []string{"ann", "bob", "cat", "dan"} {
				c.hire(name)
			}
			c.found("Sales", "ann", "bob", "cat")
			c.profile("sales", "Sales", nil)
			c.truth.roots["Sales"] = true
			c.truth.note(c.clock.Now())
			c.ok(c.approve("sales"))
			c.ticks(15)
			c.clock.Advance(8 * clock24)
			c.join("Sales", "dan")
			c.leave("Sales", "bob")
			c.truth.note(c.clock.Now())
			report := c.tick()
			expired := 0
			for _, p := range report.Problems {
				if p.Code == "FeedExpired" {
					expired++
				}
			}
			if expired != 2 || len(report.LookedAt.Rolls) != 1 {
				t.Errorf("both feeds have expired: %+v", report)
			}
			if bob := c.item("bob"); !bob.Left.IsZero() || bob.Absent.IsZero() {
				t.Errorf("bob has left, which takes two looks: %+v", bob)
			}
			c.work()
			c.leave("Sales", "cat") // between the roll and the feeds' new beginning nobody listens
			c.truth.note(c.clock.Now())
			for range 16 {
				c.clock.Advance(every)
				c.step(nil)
			}
			want := map[string]string{
				"ann": "Provisioned , 1 made", "bob": "Provisioned Left, 1 made",
				"cat": "Provisioned Left, 1 made", "dan": "Provisioned , 1 made",
			}
			if diff := cmp.Diff(want, c.end()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
