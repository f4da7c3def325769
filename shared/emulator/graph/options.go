package graph

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// options are the OData query options of a call.
// https://learn.microsoft.com/graph/query-parameters
type options struct {
	selected []string // nil: not given
	top      int      // 0: not given
	filter   string
	count    bool
	eventual bool // ConsistencyLevel: eventual
}

// advanced reports whether the call asks for the index: both the header and $count=true.
// https://learn.microsoft.com/graph/aad-advanced-queries
func (o options) advanced() bool { return o.eventual && o.count }

// mostExpressions is how many expressions a $filter may have, mostURL how long the URL of an advanced query may be
// instead. https://learn.microsoft.com/graph/filter-query-parameter
const (
	mostExpressions = 15
	mostURL         = 2048
)

// readOptions reads what every operation shares, and refuses what none supports.
func (c *call) readOptions() (options, *refusal) {
	o := options{
		filter: c.query.Get("$filter"), count: strings.EqualFold(c.query.Get("$count"), "true"),
		eventual: strings.EqualFold(strings.TrimSpace(c.header.Get("ConsistencyLevel")), "eventual"),
	}
	if s, given := first(c.query, "$select"); given {
		o.selected = []string{}
		for _, name := range strings.Split(s, ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(o.selected, name) {
				o.selected = append(o.selected, name)
			}
		}
	}
	if s, given := first(c.query, "$top"); given {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > c.b.MostTop {
			return o, unsupported("Invalid page size specified: '" + s + "'. Must be between 1 and " +
				strconv.Itoa(c.b.MostTop) + " inclusive.")
		}
		o.top = n
	}
	if c.query.Has("$search") && !o.eventual {
		return o, unsupported("Request with $search query parameter only works through MSGraph with a special " +
			"request header: 'ConsistencyLevel: eventual'")
	}
	for _, name := range []string{"$search", "$orderby", "$expand", "$skip", "$apply"} {
		if c.query.Has(name) && !strings.HasSuffix(c.route.template, "/delta") &&
			!strings.HasSuffix(c.route.template, "/getByIds") {
			return o, notEmulated(name)
		}
	}
	if o.count && !o.eventual {
		o.count = false // silently ignored
	}
	return o, nil
}

func first(q url.Values, name string) (string, bool) {
	vs, ok := q[name]
	if !ok || len(vs) == 0 {
		return "", false
	}
	return vs[0], true
}

// cost is the operation's resource units: $select takes one off, $top under 20 another, never below 1.
func (c *call) cost() int {
	units := c.route.units
	if c.q.selected != nil {
		units--
	}
	if c.q.top > 0 && c.q.top < 20 {
		units--
	}
	if c.query.Has("$expand") {
		units++
	}
	return max(units, 1)
}

// pageSize is how many objects a page of a list holds.
func (c *call) pageSize() int {
	if c.q.top > 0 {
		return c.q.top
	}
	return c.b.PageSize
}

// checkSelect refuses a property that the type does not have. A property of users that lies outside the main
// directory store is 501 in lists and delta. https://learn.microsoft.com/graph/delta-query-users
func checkSelect(selected []string, typeName string, known ...string) *refusal {
	for _, name := range selected {
		if elsewhere(name) && typeName == "user" {
			return &refusal{
				status: 501, code: "NotImplemented",
				message: "Property '" + name + "' is not supported in this request.",
			}
		}
		if name != "*" && !slices.Contains(known, name) {
			return &refusal{status: 400, code: "BadRequest", message: "Parsing OData Select and Expand failed: " +
				"Could not find a property named '" + name + "' on type 'microsoft.graph." + typeName + "'."}
		}
	}
	return nil
}

// context is the value of @odata.context.
func (c *call) context(set string, selected []string) string {
	if len(selected) > 0 {
		set += "(" + strings.Join(selected, ",") + ")"
	}
	return c.base + "/" + c.version + "/$metadata#" + set
}

// link is an absolute link to the same list with another $skiptoken; the rest of the query stays as it was.
func (c *call) link(token string) string {
	q := url.Values{}
	for k, vs := range c.query {
		if k != "$skiptoken" {
			q[k] = vs
		}
	}
	var b strings.Builder
	b.WriteString(c.base + "/" + c.version + c.path + "?")
	for _, k := range slices.Sorted(maps.Keys(q)) {
		for _, v := range q[k] {
			b.WriteString(k + "=" + url.QueryEscape(v) + "&")
		}
	}
	return b.String() + "$skiptoken=" + token
}

// self is the link of the call itself.
func (c *call) self() string {
	if token := c.query.Get("$skiptoken"); token != "" {
		return c.link(token)
	}
	return strings.TrimRight(strings.TrimSuffix(c.link(""), "$skiptoken="), "&?")
}
