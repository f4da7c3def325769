package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// mostPages is how many pages of a feed one call reads, so that an endless chain of new links ends too.
const mostPages = 1000

// starting marks a link of a feed's first pass in Changes.Next, between ticks: what that pass names is everyone who
// is there anyway, and old tombstones, and is dropped. The link after it is Graph's own.
const starting = "starting "

// feedPage is one page of groups/delta or users/delta.
// https://learn.microsoft.com/graph/delta-query-overview
type feedPage struct {
	Value *[]feedEntry `json:"value"`
	Next  string       `json:"@odata.nextLink"`
	Delta string       `json:"@odata.deltaLink"`
}

type feedEntry struct {
	ID      string          `json:"id"`
	Removed json.RawMessage `json:"@removed"`
	// Members is missing, not empty, for a group without members and for one that only changed otherwise.
	Members []feedMember `json:"members@delta"`
}

type feedMember struct {
	Type string `json:"@odata.type"`
	ID   string `json:"id"`
}

// GroupChanges reads on in a feed over the cursor's groups, 1 to 50: who joined or left, and whose tree changed. A
// cursor without a link starts the feed, and names nobody: take the full roll after that, and once more within the
// hour. It reads pages until the feed is at its end, the budget is used up (More), or Graph throttles (More, where at
// least one page was read). A quiet feed costs one request.
//
// What it names is a poke: repeats, replays, tombstones and slices of one group over pages are harmless; entries of
// groups that are not the cursor's are passed over. A group without a list of members counts as a changed tree.
//
// Expired: the link is older than Graph remembers, or of another host; start again from an empty link, read
// everything, and remove nobody because of it. Other errors: the cursor stays where it is.
// https://learn.microsoft.com/graph/api/group-delta
func (d *Directory) GroupChanges(ctx context.Context, c member.Cursor) (member.Changes, error) {
	doing := fmt.Sprintf("reading the feed %s of %d groups", c.Name, len(c.Groups))
	if len(c.Groups) == 0 || len(c.Groups) > member.MostGroups {
		return member.Changes{}, fault.New(fault.Misconfigured, fmt.Sprintf("%s: expected 1 to %d groups", doing, member.MostGroups))
	}
	if err := objectIDs("group", c.Groups); err != nil {
		return member.Changes{}, err
	}
	_, followed := asked(c.Groups)
	f := &feed{
		d: d, doing: doing, first: d.askGroupFeed(ctx, c.Groups, d.feeds),
		take: func(e feedEntry, n *named) { n.group(e, followed) },
	}
	changes, err := f.read(ctx, c.Link)
	if c.Link == "" && d.feeds == FromLatest && wasRefused(err, http.StatusBadRequest) && !fault.Is(err, fault.Expired) {
		d.log.InfoContext(ctx, "graph refuses latest together with a filter: reading the feed's first pass", "feed", c.Name)
		f.first = d.askGroupFeed(ctx, c.Groups, FromWhole)
		return f.read(ctx, "")
	}
	return changes, err
}

// UserChanges reads on in the feed over all users of the tenant: people who were changed, disabled, deleted, restored
// or made. It is otherwise as GroupChanges. A quiet tenant costs one request; a busy one as many as its changes have
// pages. Memberships do not show here.
// https://learn.microsoft.com/graph/api/user-delta
func (d *Directory) UserChanges(ctx context.Context, c member.Cursor) (member.Changes, error) {
	f := &feed{
		d: d, doing: "reading the feed of users", first: d.askUserFeed(ctx),
		take: func(e feedEntry, n *named) { n.people[e.ID] = true },
	}
	return f.read(ctx, c.Link)
}

// feed is one feed read.
type feed struct {
	d     *Directory
	doing string
	first ask
	take  func(feedEntry, *named)
}

// named is whom a feed named so far.
type named struct{ people, trees map[string]bool }

func (n *named) group(e feedEntry, followed map[string][]string) {
	forms := followed[strings.ToLower(e.ID)]
	if len(forms) == 0 {
		return
	}
	tree := len(e.Removed) > 0 || e.Members == nil
	for _, m := range e.Members {
		switch m.Type {
		case userType:
			n.people[m.ID] = true
		case groupType:
			tree = true
		case "": // it may be either
			n.people[m.ID], tree = true, true
		}
		tree = tree || m.ID == ""
	}
	for _, form := range forms {
		if tree {
			n.trees[form] = true
		}
	}
}

func (f *feed) read(ctx context.Context, from string) (member.Changes, error) {
	link, first := strings.CutPrefix(from, starting)
	first = first || from == ""
	if link != "" {
		if err := f.d.stored(f.doing, link); err != nil {
			return member.Changes{}, err
		}
	}
	n := &named{people: map[string]bool{}, trees: map[string]bool{}}
	seen := map[string]bool{link: true}
	for pages := 1; ; pages++ {
		page, err := f.page(ctx, link)
		if err != nil && pages > 1 && fault.Of(err).Passing() && ctx.Err() == nil {
			f.d.log.WarnContext(ctx, "leaving the rest of a feed for later", "feed", f.doing, "pages", pages-1, "error", err)
			return n.changes(link, first, true, pages-1), nil
		}
		if err != nil {
			return member.Changes{}, f.d.stale(err)
		}
		for _, e := range *page.Value {
			f.take(e, n)
		}
		if page.Delta != "" {
			return n.changes(page.Delta, first, false, pages), nil
		}
		if seen[page.Next] {
			return member.Changes{}, looping(f.doing)
		}
		link, seen[page.Next] = page.Next, true
		if pages == mostPages || f.d.budget(ctx) <= 0 {
			return n.changes(link, first, true, pages), nil
		}
	}
}

// page reads one page and refuses one that is incomplete: without a list, or without exactly one link.
func (f *feed) page(ctx context.Context, link string) (page feedPage, err error) {
	if link == "" {
		page, err = get[feedPage](ctx, f.d, f.doing, f.first)
	} else {
		page, err = follow[feedPage](ctx, f.d, f.doing, link, true)
	}
	switch {
	case err != nil:
		return feedPage{}, err
	case page.Value == nil:
		return feedPage{}, brokenAnswer(f.doing, "", errNoList)
	case (page.Next == "") == (page.Delta == ""):
		return feedPage{}, missing(f.doing, "single link to go on with")
	}
	if err := f.d.sameHost(f.doing, page.Next+page.Delta); err != nil { // one of them is empty
		return feedPage{}, err
	}
	return page, nil
}

// changes sorts what was named; the first pass names nobody.
func (n *named) changes(next string, first, more bool, pages int) member.Changes {
	c := member.Changes{Next: next, More: more, Pages: pages}
	if first {
		if more {
			c.Next = starting + next
		}
		return c
	}
	delete(n.people, "")
	c.People, c.Trees = slices.Sorted(maps.Keys(n.people)), slices.Sorted(maps.Keys(n.trees))
	return c
}
