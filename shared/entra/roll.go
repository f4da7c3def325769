package entra

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// The kinds of members that matter. https://learn.microsoft.com/graph/api/group-list-members
const (
	userType  = "#microsoft.graph.user"
	groupType = "#microsoft.graph.group"
)

// position is a member.Position with what moves it.
type position member.Position

// reading is the id of the group that is being read.
func (p position) reading() string {
	return orElse(p.At[strings.LastIndex(p.At, "/")+1:], p.Group)
}

// page is a member.Page that is being put together.
type page struct {
	people []member.Person
	via    string
	next   position
}

// NextPage reads the page at a position and costs one request, and a second one where a group turns out to be empty.
// The position given is left as it is, so a page may be read again; nobody is missed and nobody is lost by that.
//
// NotFound: the group is gone. Denied: people came without their fields (User.Read.All is missing), or a group hides
// its membership and showed nobody. Expired: the position is too old; begin again. Unavailable and Throttled: read the
// same page later. No page may be taken for the roll: only all of them up to Done are.
func (d *Directory) NextPage(ctx context.Context, at member.Position) (member.Page, error) {
	p := position(at)
	doing := "taking the roll of group " + p.Group
	if err := objectID("group", p.Group); err != nil {
		return member.Page{}, err
	}
	if p.Done {
		return member.Page{}, fault.New(fault.Unknown, doing+": it is finished")
	}
	if p.Started.IsZero() {
		p.Started, p.Walked = d.clock.Now(), []string{strings.ToLower(p.Group)}
	}
	if p.At != "" {
		doing += ", nested group " + p.reading()
	}
	got, err := d.page(ctx, doing, p)
	if err != nil {
		return member.Page{}, err
	}
	return member.Page{People: got.people, Via: got.via, Next: member.Position(got.next)}, nil
}

func (d *Directory) page(ctx context.Context, doing string, p position) (page, error) {
	l, err := d.membersPage(ctx, doing, p)
	if err != nil {
		return page{}, d.vanished(p, err)
	}
	got := page{via: p.At, next: p}
	if err := got.take(l, doing); err != nil {
		return page{}, d.stale(err)
	}
	if l.Next != "" {
		if err := d.sameHost(doing, l.Next); err != nil {
			return page{}, err
		}
		if err := got.next.turn(l.Next, doing); err != nil {
			return page{}, err
		}
		return got, nil
	}
	if !got.next.Some {
		if err := d.reallyEmpty(ctx, p, doing); err != nil {
			return page{}, d.vanished(p, err)
		}
	}
	got.next.descend()
	return got, nil
}

func (d *Directory) membersPage(ctx context.Context, doing string, p position) (list[wirePerson], error) {
	if p.Link == "" {
		return get[list[wirePerson]](ctx, d, doing, d.askMembers(ctx, p.reading(), personFields, member.MembersPage))
	}
	if err := d.stored(doing, p.Link); err != nil {
		return list[wirePerson]{}, err
	}
	return follow[list[wirePerson]](ctx, d, doing, p.Link, false)
}

// take sorts the members of one page into people, groups to walk and others.
func (g *page) take(l list[wirePerson], doing string) error {
	if l.Value == nil {
		return brokenAnswer(doing, "", errNoList)
	}
	next := &g.next
	next.Pages++
	next.Some = next.Some || len(*l.Value) > 0
	if next.At == "" {
		next.Direct += len(*l.Value)
	}
	g.people = make([]member.Person, 0, len(*l.Value))
	for n := range *l.Value {
		w := &(*l.Value)[n]
		switch w.Type {
		case userType:
			person, err := w.person(doing)
			if err != nil {
				return err
			}
			g.people = append(g.people, person)
		case groupType:
			if w.ID == "" {
				return missing(doing, "id of a nested group")
			}
			next.meet(strings.ToLower(w.ID))
		case "":
			return missing(doing, "type of a member")
		default:
			next.Others++
		}
	}
	next.People += len(g.people)
	return nil
}

// meet puts a nested group on the list, once: that is what cuts cycles.
func (p *position) meet(id string) {
	if !p.Nested || slices.Contains(p.Walked, id) {
		return
	}
	path := id
	if p.At != "" {
		path = p.At + "/" + id
	}
	p.Walked = append(slices.Clip(p.Walked), id) // clipped: the caller's position is not written into
	p.Ahead = append(slices.Clip(p.Ahead), path)
}

// turn goes on to the group's next page.
func (p *position) turn(link, doing string) error {
	h := fnv.New64a()
	_, _ = h.Write([]byte(link)) // a hash never fails
	if slices.Contains(p.Links, h.Sum64()) {
		return looping(doing)
	}
	p.Links, p.Link = append(slices.Clip(p.Links), h.Sum64()), link
	return nil
}

// descend goes on to the next group, in the order in which they were met: so the shortest path is found first.
func (p *position) descend() {
	p.Link, p.Links, p.Some = "", nil, false
	if len(p.Ahead) == 0 {
		p.At, p.Done = "", true
		return
	}
	p.At, p.Ahead = p.Ahead[0], p.Ahead[1:]
}

// reallyEmpty tells an empty group from one that does not show us its members: it has to answer, and not be hidden.
// What Graph answers where Member.Read.Hidden is missing is not documented; this is right for an empty list and a 403.
func (d *Directory) reallyEmpty(ctx context.Context, p position, doing string) error {
	g, err := d.group(ctx, p.reading())
	if err != nil {
		return err
	}
	if g.Hidden {
		e := fault.New(fault.Denied, fmt.Sprintf("%s: %q hides its membership and showed no member, which is not the same as empty", doing, g.Name))
		e.Code, e.Advice = "HiddenMembership", hiddenAdvice
		return e
	}
	return nil
}

// vanished makes "not found" of a nested group a passing fault: the tree changed while it was read, which says
// nothing about the group whose roll it is.
func (d *Directory) vanished(p position, err error) error {
	if p.At == "" || !fault.Is(err, fault.NotFound) {
		return err
	}
	e := *fault.As(err)
	e.Kind, e.Advice = fault.Unavailable, "A nested group was deleted while the roll was taken: it is taken again"
	return &e
}

// Roll takes the whole roll at once: members ÷ 999 requests, one more for each nested group, and one for each group
// that turns out empty. Errors are those of NextPage; there is never a part of a roll. Roll.Group has only the id;
// Group reads the rest. Who is in the group by several ways is there by the shortest.
func (d *Directory) Roll(ctx context.Context, group string, nested bool) (member.Roll, error) {
	roll := member.Roll{Group: member.Group{ID: group}, Nested: nested, People: map[string]member.Person{}, Via: map[string]string{}}
	p := member.Position{Group: group, Nested: nested}
	for !p.Done {
		page, err := d.NextPage(ctx, p)
		if err != nil {
			return member.Roll{}, err
		}
		for _, person := range page.People {
			if _, met := roll.People[person.ID]; !met {
				roll.People[person.ID], roll.Via[person.ID] = person, page.Via
			}
		}
		p = page.Next
	}
	roll.Groups, roll.Others, roll.Direct, roll.Pages, roll.Read = p.Walked, p.Others, p.Direct, p.Pages, p.Started
	return roll, nil
}

// Count is how many direct members of every kind Graph's index knows of: people, groups, devices, contacts. It is to be
// compared with Roll.Direct, with tolerance: the index lags, and it may know service principals, which v1.0 does not
// list among the members. One request. NotFound: the group is gone.
// https://learn.microsoft.com/graph/api/group-list-members
func (d *Directory) Count(ctx context.Context, group string) (int, error) {
	doing := "counting the members of group " + group
	if err := objectID("group", group); err != nil {
		return 0, err
	}
	var count int
	err := d.send(ctx, doing, d.askCount(ctx, group), func(body []byte, _ http.Header) error {
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff")))
		if err != nil || n < 0 {
			return fmt.Errorf("the answer is not a number")
		}
		count = n
		return nil
	})
	return count, err
}
