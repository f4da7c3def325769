package entra

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// Standings asks for each person whether they are in each group: with nested, through groups inside groups too.
// Keys are the ids as they were given. The answers are In, Out and Unknown:
//
//   - Out counts the group as having answered: it was read with 200 beside the question. A person who is not in the
//     directory any more is Out of every such group.
//   - A group that is gone (404) is Unknown for everyone, and does not stop its neighbours.
//   - A group that hides its membership, and shows us no member at all, is Unknown for all who are not In.
//
// Every other failure is an error of the whole call. n people and g groups cost ⌈(n·⌈g÷20⌉ + g) ÷ 20⌉ requests, one
// more where a group is gone or hidden; without nested, one more for each further page of a person's groups.
func (d *Directory) Standings(ctx context.Context, ids, groups []string, nested bool) (map[string]map[string]member.Standing, error) {
	if err := objectIDs("person", ids); err != nil {
		return nil, err
	}
	if err := objectIDs("group", groups); err != nil {
		return nil, err
	}
	if len(ids) == 0 || len(groups) == 0 {
		return map[string]map[string]member.Standing{}, nil
	}
	people, personForms := asked(ids)
	wanted, groupForms := asked(groups)
	q := &question{
		d: d, nested: nested, doing: fmt.Sprintf("asking for the standing of %d people in %d groups", len(people), len(wanted)),
		groups: make(map[string]*groupItem, len(wanted)), in: map[string]map[string]bool{},
	}
	if err := q.ask(ctx, people, wanted); err != nil {
		return nil, d.stale(err)
	}
	answers := make(map[string]map[string]member.Standing, len(ids))
	for _, person := range people {
		for _, form := range personForms[person] {
			answers[form] = make(map[string]member.Standing, len(groups))
			for _, group := range wanted {
				for _, groupForm := range groupForms[group] {
					answers[form][groupForm] = q.standing(person, group)
				}
			}
		}
	}
	return answers, nil
}

// question is one call of Standings under way. Ids are in lower case.
type question struct {
	d      *Directory
	nested bool
	doing  string
	groups map[string]*groupItem
	in     map[string]map[string]bool // person, group
}

type groupItem struct {
	*item
	answers bool // 200, with its fields
	hidden  bool
	shown   bool // hidden, but we do see members
}

// personItem is one question about one person: all of whose groups, or some of those asked for.
type personItem struct {
	*item
	person string
	groups []string
}

func (q *question) ask(ctx context.Context, people, wanted []string) error {
	var items []*item
	for _, id := range wanted {
		it, err := q.d.reading(q.d.askGroup(ctx, id))
		if err != nil {
			return fault.Wrap(fault.Unknown, err, q.doing)
		}
		q.groups[id] = &groupItem{item: it}
		items = append(items, it)
	}
	asks, err := q.personItems(ctx, people, wanted)
	if err != nil {
		return fault.Wrap(fault.Unknown, err, q.doing)
	}
	for _, a := range asks {
		items = append(items, a.item)
	}
	if err := q.d.batch(ctx, q.doing, items); err != nil {
		return err
	}
	for _, id := range wanted {
		if err := q.readGroup(id); err != nil {
			return err
		}
	}
	if err := q.readPeople(ctx, asks); err != nil {
		return err
	}
	return q.probeHidden(ctx, people, wanted)
}

func (q *question) personItems(ctx context.Context, people, wanted []string) ([]personItem, error) {
	var asks []personItem
	for _, person := range people {
		if !q.nested {
			it, err := q.d.reading(q.d.askMemberOf(ctx, person))
			if err != nil {
				return nil, err
			}
			asks = append(asks, personItem{item: it, person: person, groups: wanted})
			continue
		}
		for some := range slices.Chunk(wanted, member.MostGroupsChecked) {
			asks = append(asks, personItem{item: checkItem(person, some), person: person, groups: some})
		}
	}
	return asks, nil
}

func checkItem(person string, groups []string) *item {
	return &item{method: http.MethodPost, url: "/users/" + person + "/checkMemberGroups", body: map[string][]string{"groupIds": groups}}
}

func (q *question) readGroup(id string) error {
	g := q.groups[id]
	if g.failed != nil && g.failed.Kind == fault.NotFound {
		return nil
	}
	doing := "reading group " + id
	w, err := decode[wireGroup](g.item, doing)
	if err != nil {
		return err
	}
	facts, err := w.group(doing)
	if err != nil {
		return err
	}
	g.answers, g.hidden = true, facts.Hidden
	return nil
}

// readPeople notes in which groups each person is. Where a question was refused as "not found" and one of its groups
// is gone, the refusal may be the group's: it is asked once more, for the groups that are there.
func (q *question) readPeople(ctx context.Context, asks []personItem) error {
	var again []personItem
	for _, a := range asks {
		if a.failed != nil && a.failed.Kind == fault.NotFound {
			if alive := q.alive(a.groups); q.nested && len(alive) < len(a.groups) && len(alive) > 0 {
				again = append(again, personItem{item: checkItem(a.person, alive), person: a.person, groups: alive})
			}
			continue // the person is gone: in none of them
		}
		if err := q.readPerson(ctx, a); err != nil {
			return err
		}
	}
	if len(again) == 0 {
		return nil
	}
	items := make([]*item, len(again))
	for n, a := range again {
		items[n] = a.item
	}
	if err := q.d.batch(ctx, q.doing, items); err != nil {
		return err
	}
	return q.readPeople(ctx, again) // ends here: none of these groups is gone
}

func (q *question) alive(groups []string) []string {
	return slices.DeleteFunc(slices.Clone(groups), func(id string) bool { return !q.groups[id].answers })
}

func (q *question) readPerson(ctx context.Context, a personItem) error {
	doing := "asking for the groups of person " + a.person
	if q.in[a.person] == nil {
		q.in[a.person] = map[string]bool{}
	}
	if q.nested {
		l, err := decode[list[string]](a.item, doing)
		if err != nil {
			return err
		}
		if l.Value == nil {
			return brokenAnswer(doing, "", errNoList)
		}
		for _, id := range *l.Value {
			q.in[a.person][strings.ToLower(id)] = true
		}
		return nil
	}
	return itemPages(ctx, q.d, doing, a.item, func(page []wireGroup) error {
		for _, g := range page {
			if g.ID == "" {
				return missing(doing, "id of a group")
			}
			q.in[a.person][strings.ToLower(g.ID)] = true
		}
		return nil
	})
}

// probeHidden asks each group that hides its membership, and that somebody seems not to be in, for one member: only
// who can see members can be told that somebody is none of them.
func (q *question) probeHidden(ctx context.Context, people, wanted []string) error {
	var hidden []*groupItem
	var items []*item
	for _, id := range wanted {
		g := q.groups[id]
		if !g.answers || !g.hidden || !slices.ContainsFunc(people, func(p string) bool { return !q.in[p][id] }) {
			continue
		}
		it, err := q.d.reading(q.d.askMembers(ctx, id, []string{"id"}, 1))
		if err != nil {
			return fault.Wrap(fault.Unknown, err, q.doing)
		}
		hidden, items = append(hidden, g), append(items, it)
	}
	if err := q.d.batch(ctx, "looking for members of hidden groups", items); err != nil {
		return err
	}
	for n, g := range hidden {
		l, err := decode[list[wireGroup]](items[n], "looking for members of a hidden group")
		if fault.Is(err, fault.Denied, fault.NotFound) {
			continue // it shows us nothing
		}
		if err != nil {
			return err
		}
		g.shown = l.Value != nil && len(*l.Value) > 0
	}
	return nil
}

func (q *question) standing(person, group string) member.Standing {
	g := q.groups[group]
	switch {
	case !g.answers:
		return member.Unknown
	case q.in[person][group]:
		return member.In
	case g.hidden && !g.shown:
		return member.Unknown
	default:
		return member.Out
	}
}
