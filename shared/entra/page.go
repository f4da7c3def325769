package entra

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"rollcall/shared/fault"
)

// pages reads a collection to its end, a page at a time; an empty page may have a next one. The error is that of the
// first page that could not be read: what was read before is not to be used.
func pages[T any](ctx context.Context, d *Directory, doing string, first ask, each func(page []T) error) error {
	l, err := get[list[T]](ctx, d, doing, first)
	seen := map[string]bool{}
	for err == nil {
		if l.Value == nil {
			return brokenAnswer(doing, "", errNoList)
		}
		if err := each(*l.Value); err != nil || l.Next == "" {
			return err
		}
		if seen[l.Next] {
			return looping(doing)
		}
		seen[l.Next] = true
		if err := d.sameHost(doing, l.Next); err != nil {
			return err
		}
		l, err = follow[list[T]](ctx, d, doing, l.Next, false)
	}
	return err
}

// follow goes on with a link of Graph's. The link was good when Graph made it, so a refusal of it as such (400)
// means that it has had its time: Expired.
func follow[T any](ctx context.Context, d *Directory, doing, link string, prefer bool) (T, error) {
	answer, err := get[T](ctx, d, doing, d.askLink(ctx, link, prefer))
	if err != nil && wasRefused(err, http.StatusBadRequest) && !fault.Is(err, fault.Expired) {
		e := *fault.As(err)
		e.Kind, e.Advice = fault.Expired, restart
		return answer, &e
	}
	return answer, err
}

// stored checks a link that was kept since an earlier tick. One of another host dates from another cloud or URL
// setting: it is no longer of use, which is Expired, and nothing is sent there.
func (d *Directory) stored(doing, link string) error {
	at, err := url.Parse(link)
	if err == nil && d.ours(at) {
		return nil
	}
	e := fault.New(fault.Expired, doing+": the stored link is not one of this Graph host")
	e.Advice = restart
	return e
}

// sameHost refuses a link that an answer gives to another host, before anybody keeps it.
func (d *Directory) sameHost(doing, link string) error {
	at, err := url.Parse(link)
	if err == nil && d.ours(at) {
		return nil
	}
	e := fault.New(fault.Unknown, doing+": the answer's next link goes to another host: refused")
	e.Advice = cloudAdvice
	return e
}

func looping(doing string) error {
	e := fault.New(fault.Unknown, doing+": Graph's next link leads back to a page that was read before")
	e.Advice = ourFault
	return e
}

func missing(doing, what string) error {
	return brokenAnswer(doing, "", fmt.Errorf("the answer has no %s", what))
}
