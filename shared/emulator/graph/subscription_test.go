package graph_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listener is a notification endpoint with a memory.
type listener struct {
	*httptest.Server
	mute     bool // does not repeat the validation token
	status   int
	received []map[string]any
}

func listen(t *testing.T) *listener {
	l := &listener{status: http.StatusAccepted}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain")
			if l.mute {
				token = "?"
			}
			_, _ = io.WriteString(w, token)
			return
		}
		var b struct {
			Value []map[string]any `json:"value"`
		}
		_ = json.NewDecoder(r.Body).Decode(&b)
		l.received = append(l.received, b.Value...)
		w.WriteHeader(l.status)
	}))
	t.Cleanup(l.Close)
	return l
}

// https://learn.microsoft.com/graph/api/subscription-post-subscriptions
// https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
func TestSubscriptions(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	g, other := w.group("team"), w.group("other")
	l := listen(t)
	ask := func(change func(map[string]any)) map[string]any {
		b := map[string]any{
			"changeType": "updated", "notificationUrl": l.URL + "/hook?x=1", "resource": "/groups/" + g + "/members",
			"expirationDateTime": start.Add(41760 * time.Minute).Format(time.RFC3339), "clientState": "s3cret",
		}
		if change != nil {
			change(b)
		}
		return b
	}
	set := func(k string, v any) map[string]any { return ask(func(b map[string]any) { b[k] = v }) }
	made := w.do("POST", "/subscriptions", ask(nil))
	made.want(w, 201)
	id := made.str("id")
	for name, c := range map[string]struct {
		body   map[string]any
		status int
		code   string
	}{
		"a minute too long":         {set("expirationDateTime", start.Add(41761*time.Minute).Format(time.RFC3339)), 400, "InvalidRequest"},
		"in the past":               {set("expirationDateTime", start.Add(-time.Minute).Format(time.RFC3339)), 400, "InvalidRequest"},
		"no change type":            {set("changeType", ""), 400, "InvalidRequest"},
		"an unsupported resource":   {set("resource", "/devices"), 400, "InvalidRequest"},
		"a group that is not there": {set("resource", "/groups/"+anID), 404, "Request_ResourceNotFound"},
		"plain http to elsewhere":   {set("notificationUrl", "http://example.com/"), 400, "ValidationError"},
	} {
		w.run("refused: "+name, func(w *world) { w.do("POST", "/subscriptions", c.body).refused(w, c.status, c.code) })
	}
	w.run("the lifecycle URL is validated too", func(w *world) {
		silent := listen(w.T)
		silent.mute = true
		w.do("POST", "/subscriptions", set("lifecycleNotificationUrl", silent.URL)).refused(w, 400, "ValidationError")
	})
	w.run("GroupMember.Read.All does not do", func(w *world) {
		o := newWorldWith(w.T, []string{"GroupMember.Read.All"})
		o.do("POST", "/subscriptions", set("resource", "/groups")).refused(o, 403, "Authorization_RequestDenied")
	})
	w.run("a change is told, with client state and ids only", func(w *world) {
		w.ok(w.t.AddMember(other, ann))
		w.ok(w.t.AddMember(g, ann))
		n, err := w.e.Notify(context.Background())
		w.ok(err)
		if n != 1 || len(l.received) != 1 || l.received[0]["clientState"] != "s3cret" || l.received[0]["subscriptionId"] != id ||
			l.received[0]["resourceData"].(map[string]any)["id"] != g {
			w.Errorf("%d sent: %v", n, l.received)
		}
	})
	w.run("nothing new, nothing told; what was not accepted comes again", func(w *world) {
		n, err := w.e.Notify(context.Background())
		w.ok(err)
		w.ok(w.t.RemoveMember(g, ann))
		l.status = 503
		m, failed := w.e.Notify(context.Background())
		l.status = 202
		k, err := w.e.Notify(context.Background())
		w.ok(err)
		if n != 0 || m != 0 || failed == nil || k != 1 {
			w.Errorf("sent %d, %d (%v), %d", n, m, failed, k)
		}
	})
	w.run("listed, renewed, read, deleted", func(w *world) {
		if d := cmp.Diff([]string{id}, ids(w.must("/subscriptions").value())); d != "" {
			w.Error(d)
		}
		w.clock.Advance(24 * time.Hour)
		w.signIn()
		until := w.clock.Now().Add(41760 * time.Minute).Format(time.RFC3339)
		a := w.do("PATCH", "/subscriptions/"+id, map[string]any{"expirationDateTime": until})
		a.want(w, 200)
		if got := w.must("/subscriptions/" + id).str("expirationDateTime"); got != until {
			w.Errorf("until %s, want %s", got, until)
		}
		w.do("DELETE", "/subscriptions/"+id, nil).want(w, 204)
		w.get("/subscriptions/"+id).refused(w, 404, "ResourceNotFound")
	})
	w.run("it ends by itself; 100 an app", func(w *world) {
		soon := func() map[string]any {
			return set("expirationDateTime", w.clock.Now().Add(time.Hour).Format(time.RFC3339))
		}
		for range 100 {
			w.do("POST", "/subscriptions", soon()).want(w, 201)
		}
		w.do("POST", "/subscriptions", soon()).want(w, 403)
		w.clock.Advance(time.Hour)
		w.signIn()
		if rows := w.must("/subscriptions").value(); len(rows) != 0 {
			w.Errorf("%d left", len(rows))
		}
	})
}
