package graph

import (
	"slices"
	"strings"
)

func equalNames(a, b string) bool { return strings.EqualFold(a, b) }

// userObject is a user as an answer shows him: the selected properties, or the default ones.
func (c *call) userObject(u *userState, typed bool) *object {
	o := &object{}
	if typed {
		o.set("@odata.type", "#microsoft.graph.user")
	}
	return c.fill(o, u.ID, userDefaults(), userNames(), func(name string) (any, bool) {
		if name == "employeeLeaveDateTime" && !c.who.leaveDates() {
			return nil, true
		}
		return userProperty(u, name)
	}, c.who.sees(UserKind))
}

func (c *call) groupObject(g *groupState, typed bool) *object {
	o := &object{}
	if typed {
		o.set("@odata.type", "#microsoft.graph.group")
	}
	return c.fill(o, g.ID, groupNames(), groupNames(), func(name string) (any, bool) {
		return groupProperty(g, name)
	}, c.who.sees(GroupKind))
}

// fill sets the properties. Without the permission for the type all but the id are null; a property of another
// type that was selected for a list of mixed types is left out.
func (c *call) fill(o *object, id string, defaults, all []string, read func(string) (any, bool), visible bool) *object {
	names := c.q.selected
	switch {
	case names == nil:
		names = defaults
	case slices.Contains(names, "*"):
		names = all
	}
	o.grow(len(names) + 1)
	if c.q.selected != nil && !slices.Contains(names, "id") && !visible || !visible && c.q.selected == nil {
		o.set("id", id)
	}
	for _, name := range names {
		v, known := read(name)
		switch {
		case !known:
		case name == "id":
			if _, there := o.get("id"); !there {
				o.set("id", id)
			}
		case !visible:
			o.set(name, nil)
		default:
			o.set(name, v)
		}
	}
	return o
}

// memberObject is a directory object in a list of mixed types, or nil where the list does not show it.
func (c *call) memberObject(v view, id string) *object {
	kind := v.listed(id)
	if kind == "" || c.route.cast != "" && string(kind) != c.route.cast {
		return nil
	}
	switch kind {
	case UserKind:
		if u, ok := v.user(id, v.seq); ok {
			return c.userObject(&u, true)
		}
	case GroupKind:
		if g, ok := v.groups[id].states.at(v.seq); ok {
			return c.groupObject(&g, true)
		}
	default:
		if s, ok := v.objects[id].at(v.seq); ok {
			o := (&object{}).set("@odata.type", "#microsoft.graph."+string(kind))
			return c.fill(o, id, []string{"id", "displayName"}, []string{"id", "displayName"}, func(name string) (any, bool) {
				return orNull(s.name), name == "displayName" || name == "id"
			}, c.who.sees(kind))
		}
	}
	return nil
}

// matches asks a filter about an object.
func matches[T any](f filter, o *T, read func(*T, string) (any, bool)) bool {
	return f.match(func(name string) any {
		v, _ := read(o, name)
		return v
	})
}
