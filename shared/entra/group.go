package entra

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// list is any of Graph's collections. A null or missing value is not an empty one.
type list[T any] struct {
	Value *[]T   `json:"value"`
	Next  string `json:"@odata.nextLink"`
}

var errNoList = errors.New("the answer has no list")

type wireGroup struct {
	ID         string   `json:"id"`
	Name       string   `json:"displayName"`
	Visibility string   `json:"visibility"`
	Types      []string `json:"groupTypes"`
}

func (w wireGroup) group(doing string) (member.Group, error) {
	if w.ID == "" || w.Name == "" {
		e := fault.New(fault.Denied, doing+": Graph returned a group without its fields")
		e.Advice = grantAdvice
		return member.Group{}, e
	}
	return member.Group{
		ID: w.ID, Name: w.Name, Hidden: w.Visibility == "HiddenMembership",
		Dynamic: slices.Contains(w.Types, "DynamicMembership"),
	}, nil
}

// Group finds a group by object id or else by display name, one request. NotFound: there is none. Misconfigured: the
// name fits two groups, whose ids are in the error (Graph does not keep names unique); or ref is empty.
// https://learn.microsoft.com/graph/api/group-get
func (d *Directory) Group(ctx context.Context, ref string) (member.Group, error) {
	if ref == "" {
		return member.Group{}, fault.New(fault.Misconfigured, "the group is empty: expected an object id or a display name")
	}
	if isObjectID(ref) {
		return d.group(ctx, ref)
	}
	doing := fmt.Sprintf("finding the group named %q", ref)
	var found []wireGroup
	err := pages(ctx, d, doing, d.askGroupNamed(ctx, ref), func(page []wireGroup) error {
		for _, g := range page {
			if !slices.ContainsFunc(found, func(other wireGroup) bool { return other.ID == g.ID }) { // pages may repeat
				found = append(found, g)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return member.Group{}, err
	case len(found) == 0:
		e := fault.New(fault.NotFound, doing+": there is none")
		e.Advice = "Check the spelling, or give the group's object id"
		return member.Group{}, e
	case len(found) > 1:
		e := fault.New(fault.Misconfigured, fmt.Sprintf("%s: more than one group has this name, %s and %s", doing, found[0].ID, found[1].ID))
		e.Advice = "Give the object id of the one that is meant"
		return member.Group{}, e
	}
	return found[0].group(doing)
}

func (d *Directory) group(ctx context.Context, id string) (member.Group, error) {
	doing := "reading group " + id
	w, err := get[wireGroup](ctx, d, doing, d.askGroup(ctx, id))
	if err != nil {
		return member.Group{}, err
	}
	return w.group(doing)
}
