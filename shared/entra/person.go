package entra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// wirePerson is a user as Graph writes it, and any other member of a group: those have a type and an id.
// A null leaves a string empty; accountEnabled is a pointer because null and false are worlds apart.
type wirePerson struct {
	Type              string `json:"@odata.type"`
	ID                string `json:"id"`
	UPN               string `json:"userPrincipalName"`
	DisplayName       string `json:"displayName"`
	SAMAccountName    string `json:"onPremisesSamAccountName"`
	MailNickname      string `json:"mailNickname"`
	Mail              string `json:"mail"`
	Department        string `json:"department"`
	PreferredLanguage string `json:"preferredLanguage"`
	OnPremisesSID     string `json:"onPremisesSecurityIdentifier"`
	Enabled           *bool  `json:"accountEnabled"`
	UserType          string `json:"userType"`
}

// person refuses a user whose fields are null: Graph answers 200 with nulls where the application may see that there
// is an object but not what it says. https://learn.microsoft.com/graph/permissions-overview
func (w *wirePerson) person(doing string) (member.Person, error) {
	if w.ID == "" {
		return member.Person{}, missing(doing, "id of a person")
	}
	if w.UPN == "" || w.Enabled == nil {
		e := fault.New(fault.Denied, fmt.Sprintf("%s: Graph returned user %s without its fields", doing, w.ID))
		e.Code, e.Advice = "NullFields", userReadAdvice
		return member.Person{}, e
	}
	return member.Person{
		ID: w.ID, UPN: w.UPN, DisplayName: w.DisplayName, SAMAccountName: w.SAMAccountName,
		MailNickname: w.MailNickname, Mail: w.Mail, Department: w.Department, PreferredLanguage: w.PreferredLanguage,
		OnPremisesSID: w.OnPremisesSID, Enabled: *w.Enabled, Guest: w.guest(),
	}, nil
}

// guest goes by the type; old objects have none, and then the name tells: a guest's holds #EXT#.
func (w *wirePerson) guest() bool {
	if w.UserType == "" {
		return strings.Contains(w.UPN, "#EXT#")
	}
	return strings.EqualFold(w.UserType, "Guest")
}

// People reads the facts of people by object id: 300 a request. Whom Graph does not find (deleted, soft-deleted) is
// absent from the map; everyone else is in it under the id as it was given, or the whole call is an error. Denied
// means that User.Read.All is missing.
// https://learn.microsoft.com/graph/api/user-list
func (d *Directory) People(ctx context.Context, ids []string) (map[string]member.Person, error) {
	if err := objectIDs("person", ids); err != nil {
		return nil, err
	}
	order, forms := asked(ids)
	doing := fmt.Sprintf("reading %d people", len(order))
	var items []*item
	for some := range slices.Chunk(order, member.MostIn) {
		it, err := d.reading(d.askPeople(ctx, some))
		if err != nil {
			return nil, fault.Wrap(fault.Unknown, err, doing)
		}
		items = append(items, it)
	}
	if err := d.batch(ctx, doing, items); err != nil {
		return nil, err
	}
	people := make(map[string]member.Person, len(order))
	for _, it := range items {
		if err := d.collect(ctx, doing, it, forms, people); err != nil {
			return nil, d.stale(err)
		}
	}
	return people, nil
}

// collect puts an item's people into the map, under every form in which they were asked for.
func (d *Directory) collect(ctx context.Context, doing string, it *item, forms map[string][]string, into map[string]member.Person) error {
	return itemPages(ctx, d, doing, it, func(page []wirePerson) error {
		for n := range page {
			p, err := page[n].person(doing)
			if err != nil {
				return err
			}
			for _, form := range forms[strings.ToLower(p.ID)] {
				into[form] = p
			}
		}
		return nil
	})
}

// itemPages reads a collection whose first page came in a batch.
func itemPages[T any](ctx context.Context, d *Directory, doing string, it *item, each func(page []T) error) error {
	first, err := decode[list[T]](it, doing)
	if err != nil {
		return err
	}
	if first.Value == nil {
		return brokenAnswer(doing, "", errNoList)
	}
	if err := each(*first.Value); err != nil || first.Next == "" {
		return err
	}
	return pages(ctx, d, doing, d.askLink(ctx, first.Next, false), each)
}

// stale lets the next request sign in afresh where the answer shows a permission missing that may be granted by now.
func (d *Directory) stale(err error) error {
	if fault.Is(err, fault.Denied) {
		d.signer.forget(staleToken)
	}
	return err
}
