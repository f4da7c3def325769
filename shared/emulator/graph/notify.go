package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Notify delivers what has changed since the last time to all live subscriptions and returns how many POSTs were
// accepted. Graph delivers by itself, after an unknown time; here the scenario says when. What a subscriber did
// not accept is an error and comes again with the next Notify (Graph retries for 4 hours). Payloads name objects only; the real
// payload of /groups/{id}/members is not verified.
// https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
func (e *Emulator) Notify(ctx context.Context) (accepted int, err error) {
	type delivery struct {
		to   *subscription
		url  string
		body []byte
		upto int64
	}
	var due []delivery
	e.Tenant.mu.RLock()
	upto := int64(len(e.Tenant.log))
	log := e.Tenant.log
	e.Tenant.mu.RUnlock()
	e.mu.Lock()
	for _, app := range e.subscribers() {
		for _, s := range e.ownedBy(app) {
			if s.seen >= upto {
				continue // made after the log was read
			}
			items := s.notifications(log[s.seen:upto], e.Tenant.ID)
			if len(items) == 0 {
				s.seen = upto
				continue
			}
			due = append(due, delivery{s, s.URL, (&object{}).set("value", items).append(nil), upto})
		}
	}
	e.mu.Unlock()
	for _, d := range due {
		ctx, cancel := context.WithTimeout(ctx, deliveryTime)
		status, _, _, failed := e.post(ctx, d.url, "application/json; charset=utf-8", d.body)
		cancel()
		if failed == nil && (status < http.StatusOK || status >= http.StatusMultipleChoices) {
			failed = fmt.Errorf("status %d", status)
		}
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("notifying subscription %s: %w", d.to.ID, failed))
			continue
		}
		accepted++
		e.mu.Lock()
		d.to.seen = d.upto
		e.mu.Unlock()
	}
	return accepted, err
}

// subscribers are the apps that have subscriptions, sorted. The emulator's lock is held.
func (e *Emulator) subscribers() []string {
	var apps []string
	for _, s := range e.subscriptions {
		if !slices.Contains(apps, s.AppID) {
			apps = append(apps, s.AppID)
		}
	}
	slices.Sort(apps)
	return apps
}

// notifications are what a subscription tells of changes: each object once.
func (s *subscription) notifications(log []change, tenant string) []*object {
	var items []*object
	told := map[string]bool{}
	for i := range log {
		kind, id := "group", log[i].id
		switch log[i].topic {
		case aboutUser:
			kind = "user"
		case aboutGroup, aboutMember, aboutRange:
		default:
			continue
		}
		if told[id] || !s.covers(kind, id, log[i].topic) {
			continue
		}
		told[id] = true
		set := strings.ToUpper(kind[:1]) + kind[1:] + "s/" + id
		items = append(items, (&object{}).
			set("subscriptionId", s.ID).
			set("clientState", orNull(s.ClientState)).
			set("changeType", "updated").
			set("resource", set).
			set("subscriptionExpirationDateTime", s.until).
			set("tenantId", tenant).
			set("resourceData", (&object{}).set("@odata.type", "#Microsoft.Graph."+strings.ToUpper(kind[:1])+kind[1:]).
				set("@odata.id", set).set("id", id)))
	}
	return items
}

func (s *subscription) covers(kind, id string, t topic) bool {
	parts := strings.Split(s.Resource[1:], "/")
	switch {
	case parts[0] != kind+"s", !strings.Contains(s.ChangeType, "updated"):
		return false
	case len(parts) == 1:
		return true
	case canonical(parts[1]) != id:
		return false
	}
	return len(parts) == 2 || t == aboutMember || t == aboutRange
}
