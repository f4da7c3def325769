package graph

import "slices"

// usersDelta is GET /users/delta. https://learn.microsoft.com/graph/api/user-delta
func (c *call) usersDelta() reply {
	return c.delta(feed{
		path: "users", known: append(userNames(), "manager"),
		objects: c.changedUsers, page: c.usersPage,
	})
}

// changedUsers are the users with something to show. A first answer without a filter is not listed here: it may
// be a million users, and usersPage walks them.
func (c *call) changedUsers(v view, r *round) []entry {
	var found []entry
	if r.First {
		for _, id := range r.Filter {
			found = append(found, entry{id: id, whole: true, first: true, part: r.Parts[0]})
		}
		return found
	}
	for _, p := range r.Parts {
		found = append(found, c.usersIn(v, r, p)...)
	}
	return found
}

func (c *call) usersIn(v view, r *round, p part) []entry {
	at := map[string]int{}
	var found []entry
	touch := func(id string, props []string) {
		i, ok := at[id]
		if !ok {
			i = len(found)
			at[id] = i
			found = append(found, entry{id: id, part: p})
		}
		found[i].whole = found[i].whole || props == nil
		found[i].props = append(found[i].props, props...)
	}
	followed := func(id string) bool { return len(r.Filter) == 0 || slices.Contains(r.Filter, id) }
	for i := p.Since; i < p.Upto; i++ {
		ch := &v.log[i]
		switch ch.topic {
		case aboutCrowd:
			for k := range ch.span.len() {
				if id := ch.span.at(k); followed(id) {
					touch(id, nil)
				}
			}
		case aboutUser:
			if !followed(ch.id) {
				continue
			}
			shown := slices.DeleteFunc(slices.Clone(ch.props), func(name string) bool {
				return !r.shows(name, userDefaults())
			})
			if ch.props == nil || len(shown) > 0 {
				touch(ch.id, shown)
			}
		}
	}
	return found
}

// usersPage writes the next page of users.
func (c *call) usersPage(v view, r *round, entries []entry) []*object {
	var page []*object
	next := 0
	keep := func(place int, e entry) bool {
		o := c.userDelta(v, r, e)
		if o != nil && len(page) >= max(1, c.b.DeltaUsers) {
			next = place
			return false
		}
		if o != nil {
			page = append(page, o)
		}
		return true
	}
	if r.First && len(r.Filter) == 0 {
		v.everyone.from(r.Cursor.Next, func(place int, id string) bool {
			return keep(place, entry{id: id, whole: true, first: true, part: r.Parts[0]})
		})
	} else {
		for place := r.Cursor.Next; place < len(entries); place++ {
			if !keep(place, entries[place]) {
				break
			}
		}
	}
	r.Cursor = cursor{Next: next}
	return page
}

// userDelta is one user, or nil where there is nothing to show.
func (c *call) userDelta(v view, r *round, e entry) *object {
	s, there := v.user(e.id, e.part.AsOf)
	if !there {
		return nil
	}
	own, changed := v.users[e.id]
	h := history[userState]{{0, s}}
	if changed {
		h = *own
	}
	if s.life != live {
		if e.first && !(c.b.FirstTombstones && v.fresh(r, lastStep(h, e.part.AsOf))) {
			return nil
		}
		return removed(e.id, s.life)
	}
	o := &object{}
	names := userDefaults()
	if !r.All {
		names = r.Select
	}
	scalars(o, names, h, e, c.minimal(), userProperty)
	return o.set("id", e.id)
}
