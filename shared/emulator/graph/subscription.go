package graph

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of subscriptions. https://learn.microsoft.com/graph/change-notifications-overview
const (
	subscriptionLife  = 41760 * time.Minute
	mostSubscriptions = 100              // of an app in a tenant
	validationTime    = 10 * time.Second // for the answer to the validation, by the machine's clock
	deliveryTime      = 3 * time.Second
)

type subscription struct {
	ID          string `json:"id"`
	Resource    string `json:"resource"`
	AppID       string `json:"applicationId"`
	ChangeType  string `json:"changeType"`
	ClientState string `json:"clientState"`
	URL         string `json:"notificationUrl"`
	Lifecycle   string `json:"lifecycleNotificationUrl"`
	Expires     string `json:"expirationDateTime"`

	until time.Time
	seen  int64
}

// object is the subscription as an answer shows it: clientState is not given back by a list.
func (s *subscription) object() *object {
	return (&object{}).set("id", s.ID).set("resource", s.Resource).set("applicationId", s.AppID).
		set("changeType", s.ChangeType).set("notificationUrl", s.URL).
		set("lifecycleNotificationUrl", orNull(s.Lifecycle)).set("expirationDateTime", s.until)
}

// subscribe is POST /subscriptions. Both URLs must answer the validation first: 200, text/plain, the token.
// https://learn.microsoft.com/graph/api/subscription-post-subscriptions
func (c *call) subscribe() reply {
	s := &subscription{}
	if json.Unmarshal(c.body, s) != nil || s.ChangeType == "" || s.URL == "" || s.Resource == "" {
		return c.refuse(refusal{
			status: 400, code: "InvalidRequest",
			message: "changeType, notificationUrl, resource and expirationDateTime are required.",
		})
	}
	if why := c.checkExpiry(s); why != nil {
		return c.refuse(*why)
	}
	s.Resource = "/" + strings.Trim(s.Resource, "/")
	if why := c.checkResource(s.Resource); why != nil {
		return c.refuse(*why)
	}
	c.e.mu.Lock()
	mine := len(c.e.ownedBy(c.who.app))
	c.e.mu.Unlock()
	if mine >= mostSubscriptions {
		return c.refuse(refusal{status: 403, code: "ExtensionError", message: "Subscription limit reached."})
	}
	for _, to := range []string{s.URL, s.Lifecycle} {
		if to == "" {
			continue
		}
		if err := c.e.validate(c.r.Context(), to); err != nil {
			return c.refuse(refusal{
				status: 400, code: "ValidationError",
				message: "Subscription validation request failed. " + err.Error(),
			})
		}
	}
	s.ID, s.AppID = c.e.ids.next(), c.who.app
	c.e.Tenant.mu.RLock()
	s.seen = int64(len(c.e.Tenant.log))
	c.e.Tenant.mu.RUnlock()
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.e.subscriptions[s.ID] = s
	return reply{status: http.StatusCreated, object: s.object()}
}

func (c *call) checkExpiry(s *subscription) *refusal {
	until, err := time.Parse(time.RFC3339, s.Expires)
	now := c.e.clock.Now()
	if err != nil || !until.After(now) || until.After(now.Add(subscriptionLife)) {
		return &refusal{
			status: 400, code: "InvalidRequest",
			message: "Subscription expiration can only be 41760 minutes in the future.",
		}
	}
	s.until = until.UTC()
	return nil
}

// checkResource accepts /groups, /groups/{id}, /groups/{id}/members, /users and /users/{id}.
func (c *call) checkResource(resource string) *refusal {
	parts := strings.Split(resource[1:], "/")
	v := view{Tenant: c.e.Tenant}
	v.mu.RLock()
	defer v.mu.RUnlock()
	v.seq = int64(len(v.log))
	allowed := map[string]bool{
		"groups": c.who.has("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All"),
		"users":  c.who.users(),
	}
	may, known := allowed[parts[0]]
	if !known || len(parts) > 3 || len(parts) == 3 && (parts[0] != "groups" || parts[2] != "members") {
		return &refusal{status: 400, code: "InvalidRequest", message: "Unsupported resource '" + resource + "'."}
	}
	if !may {
		why := denied()
		return &why
	}
	if len(parts) == 1 {
		return nil
	}
	_, group := v.findGroup(canonical(parts[1]))
	_, user := v.findUser(canonical(parts[1]))
	if parts[0] == "groups" && !group || parts[0] == "users" && !user {
		return missing(parts[1])
	}
	return nil
}

// validate asks a notification URL to repeat a token.
// https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
func (e *Emulator) validate(ctx context.Context, to string) error {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "https" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" {
		return fmt.Errorf("notification URL must be https")
	}
	token := "Validation: Testing client application reachability for subscription Request-Id: " + e.ids.next()
	q := u.Query()
	q.Set("validationToken", token)
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, validationTime)
	defer cancel()
	status, kind, body, err := e.post(ctx, u.String(), "text/plain; charset=utf-8", nil)
	if err != nil {
		return fmt.Errorf("notification endpoint could not be reached")
	}
	if status != http.StatusOK || !strings.HasPrefix(kind, "text/plain") || string(body) != token {
		return fmt.Errorf("notification endpoint must respond with 200 OK and the validation token as text/plain, "+
			"answered %d", status)
	}
	return nil
}

func (e *Emulator) post(ctx context.Context, to, kind string, body []byte) (int, string, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("Content-Type", kind)
	res, err := e.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, res.Header.Get("Content-Type"), answer, err
}

// ownedBy are the live subscriptions of an app, sorted by id. The emulator's lock is held.
func (e *Emulator) ownedBy(app string) []*subscription {
	var mine []*subscription
	for id, s := range e.subscriptions {
		if !e.clock.Now().Before(s.until) {
			delete(e.subscriptions, id)
		} else if s.AppID == app {
			mine = append(mine, s)
		}
	}
	slices.SortFunc(mine, func(a, b *subscription) int { return cmp.Compare(a.ID, b.ID) })
	return mine
}

func (c *call) listSubscriptions() reply {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	p := &page{context: c.context("subscriptions", nil)}
	for _, s := range c.e.ownedBy(c.who.app) {
		p.value = append(p.value, s.object())
	}
	return reply{status: http.StatusOK, page: p}
}

func (c *call) getSubscription() reply {
	return c.onSubscription(func(s *subscription) reply { return ok(s.object()) })
}

func (c *call) renewSubscription() reply {
	return c.onSubscription(func(s *subscription) reply {
		next := *s
		if json.Unmarshal(c.body, &next) != nil {
			return c.refuse(refusal{status: 400, code: "InvalidRequest", message: "Unable to read JSON request payload."})
		}
		if why := c.checkExpiry(&next); why != nil {
			return c.refuse(*why)
		}
		s.Expires, s.until = next.Expires, next.until
		return ok(s.object())
	})
}

func (c *call) unsubscribe() reply {
	return c.onSubscription(func(s *subscription) reply {
		delete(c.e.subscriptions, s.ID)
		return reply{status: http.StatusNoContent}
	})
}

func (c *call) onSubscription(do func(*subscription) reply) reply {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	for _, s := range c.e.ownedBy(c.who.app) {
		if s.ID == c.id {
			return do(s)
		}
	}
	return c.refuse(refusal{status: 404, code: "ResourceNotFound", message: "The object was not found."})
}
