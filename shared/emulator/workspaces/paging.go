package workspaces

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"sort"
	"time"
)

// cursor is a place in a listing, as a NextToken holds it. Items are in the order in which they were made, so one that goes
// between two pages makes nobody drop out.
type cursor struct {
	After  int    `json:"a"`
	Query  string `json:"q"` // what was asked for: a token of one listing is no good in another
	Issued int64  `json:"t"`
	Warm   bool   `json:"w,omitempty"` // the empty first page has been sent
}

// tokenLife is how long a NextToken is good.
// https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeWorkspaceBundles.html
const tokenLife = 24 * time.Hour

func (c cursor) token() string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("a cursor of plain fields is always JSON: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func readToken(token, query string, now time.Time) (c cursor, no *refusal) {
	if token == "" {
		return cursor{Query: query}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || c.Query != query || now.Sub(time.Unix(c.Issued, 0)) > tokenLife {
		return c, refuse(invalidValues, "The NextToken parameter is invalid.")
	}
	return c, nil
}

// page is the next page of items, which stand in ascending order, and the token of the page after it. The query is
// everything that was asked for but the token; limit 0 is the lane's page size.
func page[T any](l *Lane, now time.Time, items []T, order func(T) int, wanted func(T) bool, limit int, token string, query any) (out []T, next string, no *refusal) {
	asked, err := json.Marshal(query)
	if err != nil {
		panic("a request that was decoded is always JSON: " + err.Error())
	}
	at, no := readToken(token, string(asked), now)
	if no != nil {
		return nil, "", no
	}
	at.Issued = now.Unix()
	if l.knobs.EmptyPages && !at.Warm {
		at.Warm = true
		return nil, at.token(), nil
	}
	size := min(25, max(1, l.knobs.PageSize))
	if limit > 0 {
		size = min(size, limit)
	}
	from := sort.Search(len(items), func(i int) bool { return order(items[i]) > at.After })
	for _, item := range items[from:] {
		if !wanted(item) {
			continue
		}
		if len(out) == size {
			return out, at.token(), nil
		}
		out = append(out, item)
		at.After = order(item)
	}
	return out, "", nil
}

// anyOf reports whether a list is empty, which means no wish, or holds x.
func anyOf(list []string, x string) bool { return len(list) == 0 || slices.Contains(list, x) }
