package entra

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	abs "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// This file is every request that the package makes, built with the SDK's request builders.

// personFields are the facts of a person, and a change to one of them is news in the users feed. Short on purpose: a
// field that needs a permission of its own may fail the whole request.
var personFields = []string{
	"id", "userPrincipalName", "displayName", "onPremisesSamAccountName", "mailNickname", "mail",
	"department", "preferredLanguage", "onPremisesSecurityIdentifier", "accountEnabled", "userType",
}

var groupFields = []string{"id", "displayName", "visibility", "groupTypes"}

func (d *Directory) path() map[string]string {
	return map[string]string{"baseurl": d.adapter.GetBaseUrl()}
}

func (d *Directory) groups() *groups.GroupsRequestBuilder {
	return groups.NewGroupsRequestBuilderInternal(d.path(), d.adapter)
}

func (d *Directory) users() *users.UsersRequestBuilder {
	return users.NewUsersRequestBuilderInternal(d.path(), d.adapter)
}

func (d *Directory) askGroup(ctx context.Context, id string) ask {
	return func() (*abs.RequestInformation, error) {
		return d.groups().ByGroupId(id).ToGetRequestInformation(ctx, &groups.GroupItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.GroupItemRequestBuilderGetQueryParameters{Select: groupFields},
		})
	}
}

// askGroupNamed asks for two, which is enough to know that a name is not unique.
func (d *Directory) askGroupNamed(ctx context.Context, name string) ask {
	return func() (*abs.RequestInformation, error) {
		filter, two := "displayName eq '"+strings.ReplaceAll(name, "'", "''")+"'", int32(2)
		return d.groups().ToGetRequestInformation(ctx, &groups.GroupsRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Filter: &filter, Select: groupFields, Top: &two},
		})
	}
}

// askMembers asks for a group's direct members without a cast: a cast is answered from an index that lags, and
// desktops are made and removed by this answer. https://learn.microsoft.com/graph/aad-advanced-queries
func (d *Directory) askMembers(ctx context.Context, id string, fields []string, top int32) ask {
	return func() (*abs.RequestInformation, error) {
		return d.groups().ByGroupId(id).Members().ToGetRequestInformation(ctx, &groups.ItemMembersRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.ItemMembersRequestBuilderGetQueryParameters{Select: fields, Top: &top},
		})
	}
}

// askCount asks how many members the index knows. Without the header Graph answers 400.
func (d *Directory) askCount(ctx context.Context, id string) ask {
	return func() (*abs.RequestInformation, error) {
		headers := abs.NewRequestHeaders()
		headers.Add("ConsistencyLevel", "eventual")
		return d.groups().ByGroupId(id).Members().Count().ToGetRequestInformation(ctx,
			&groups.ItemMembersCountRequestBuilderGetRequestConfiguration{Headers: headers})
	}
}

func (d *Directory) askPeople(ctx context.Context, ids []string) ask {
	return func() (*abs.RequestInformation, error) {
		filter := "id in ('" + strings.Join(ids, "','") + "')"
		return d.users().ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Filter: &filter, Select: personFields},
		})
	}
}

func (d *Directory) askMemberOf(ctx context.Context, person string) ask {
	return func() (*abs.RequestInformation, error) {
		top := int32(member.MembersPage)
		return d.users().ByUserId(person).MemberOf().ToGetRequestInformation(ctx, &users.ItemMemberOfRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.ItemMemberOfRequestBuilderGetQueryParameters{Select: []string{"id"}, Top: &top},
		})
	}
}

// askGroupFeed begins a feed over groups. $top, $expand and $orderby are refused there.
// https://learn.microsoft.com/graph/api/group-delta
func (d *Directory) askGroupFeed(ctx context.Context, ids []string, start Start) ask {
	return func() (*abs.RequestInformation, error) {
		filter := "id eq '" + strings.Join(ids, "' or id eq '") + "'"
		info, err := d.groups().Delta().ToGetRequestInformation(ctx, &groups.DeltaRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.DeltaRequestBuilderGetQueryParameters{Filter: &filter, Select: []string{"members"}},
		})
		if err != nil || start != FromLatest {
			return info, err
		}
		return fromNow(info)
	}
}

// askUserFeed begins the feed over users, from now on: its first pass would cost as much as the tenant is large.
func (d *Directory) askUserFeed(ctx context.Context) ask {
	return func() (*abs.RequestInformation, error) {
		info, err := d.users().Delta().ToGetRequestInformation(ctx, &users.DeltaRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.DeltaRequestBuilderGetQueryParameters{Select: personFields},
		})
		if err != nil {
			return nil, err
		}
		return fromNow(info)
	}
}

// fromNow adds $deltatoken=latest, for which the builders have no parameter.
func fromNow(info *abs.RequestInformation) (*abs.RequestInformation, error) {
	at, err := info.GetUri()
	if err != nil {
		return nil, err
	}
	at.RawQuery += "&$deltatoken=latest"
	info.SetUri(*at)
	return info, nil
}

// askLink goes on with a link that Graph gave, verbatim. A header is not part of a link; prefer asks for no more
// than what changed.
func (d *Directory) askLink(ctx context.Context, link string, prefer bool) ask {
	return func() (*abs.RequestInformation, error) {
		config := &groups.ItemMembersRequestBuilderGetRequestConfiguration{Options: verbatim()}
		if prefer {
			config.Headers = abs.NewRequestHeaders()
			config.Headers.Add("Prefer", "return=minimal")
		}
		return d.groups().ByGroupId("any").Members().WithUrl(link).ToGetRequestInformation(ctx, config)
	}
}

// askBatch posts requests that are already encoded. https://learn.microsoft.com/graph/json-batching
func (d *Directory) askBatch(body []byte) ask {
	return func() (*abs.RequestInformation, error) {
		info := abs.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(abs.POST, "{+baseurl}/$batch", d.path())
		info.Headers.TryAdd("Accept", "application/json")
		info.Headers.TryAdd("Content-Length", strconv.Itoa(len(body)))
		info.SetStreamContentAndContentType(body, "application/json")
		return info, nil
	}
}

// relative is a request's address as a batch wants it: below the base URL.
func (d *Directory) relative(request ask) (string, error) {
	info, err := request()
	if err != nil {
		return "", err
	}
	at, err := info.GetUri()
	if err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(at.String(), d.adapter.GetBaseUrl())
	if !ok {
		return "", fmt.Errorf("the address is not below the base URL")
	}
	return strings.ReplaceAll(rest, "%24", "$"), nil
}

// ours reports whether an address is on Graph's own host, by scheme, host and port.
func (d *Directory) ours(at *url.URL) bool {
	return strings.EqualFold(at.Scheme, d.base.Scheme) && at.User == nil &&
		strings.EqualFold(at.Hostname(), d.base.Hostname()) && port(at) == port(d.base)
}

func port(at *url.URL) string {
	if p := at.Port(); p != "" {
		return p
	}
	if strings.EqualFold(at.Scheme, "http") {
		return "80"
	}
	return "443"
}

// objectID checks that id is an object id (a GUID) before it goes into an address or a filter.
func objectID(what, id string) error {
	if isObjectID(id) {
		return nil
	}
	e := fault.New(fault.Misconfigured, fmt.Sprintf("%s %q is not an object id", what, id))
	e.Advice = "Give the object id from Entra; it looks like 8c1f3c5e-0000-4000-8000-000000000000"
	return e
}

func isObjectID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

func objectIDs(what string, ids []string) error {
	for _, id := range ids {
		if err := objectID(what, id); err != nil {
			return err
		}
	}
	return nil
}

// asked maps lower-cased ids to the form in which they were asked for, so that an answer in another case is the same.
func asked(ids []string) (order []string, forms map[string][]string) {
	forms = make(map[string][]string, len(ids))
	for _, id := range ids {
		low := strings.ToLower(id)
		if len(forms[low]) == 0 {
			order = append(order, low)
		}
		forms[low] = append(forms[low], id)
	}
	return order, forms
}
