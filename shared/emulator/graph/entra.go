package graph

import (
	"net/http"
	"strings"

	"rollcall/shared/emulator/service"
)

// tokenOperation is the name of the token endpoint.
const tokenOperation = "POST /{tenant}/oauth2/v2.0/token"

// entraOperation names a sign-in call; the resource is the tenant.
func entraOperation(r *http.Request) (operation, resource string) {
	tenant, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	switch rest {
	case "oauth2/v2.0/token", "v2.0/.well-known/openid-configuration", "discovery/v2.0/keys":
		return r.Method + " /{tenant}/" + rest, tenant
	case "discovery/instance":
		return r.Method + " /common/discovery/instance", ""
	}
	return r.Method + " " + r.URL.Path, ""
}

// serveEntra answers the token endpoint and what a client reads to find it.
func (e *Emulator) serveEntra(w http.ResponseWriter, r *http.Request) {
	operation, tenant := entraOperation(r)
	var a reply
	switch operation {
	case tokenOperation:
		e.mu.Lock()
		e.spent.Tokens++
		e.mu.Unlock()
		a = e.signIn(r, tenant)
	case "GET /{tenant}/v2.0/.well-known/openid-configuration":
		a = e.openID(r, tenant)
	case "GET /{tenant}/discovery/v2.0/keys":
		a = ok((&object{}).set("keys", []*object{})) // tokens are signed with a key that nobody else needs
	case "GET /common/discovery/instance":
		a = e.instance(r)
	default:
		a = reply{status: http.StatusNotFound, raw: []byte("Not found\n"), header: http.Header{"Content-Type": {"text/plain"}}}
	}
	if a.abort {
		panic(http.ErrAbortHandler)
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	if a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	a.header.Set("Date", e.clock.Now().Format(http.TimeFormat))
	a.header.Set("x-ms-request-id", e.ids.next())
	if id := r.Header.Get("client-request-id"); id != "" {
		a.header.Set("client-request-id", id)
	}
	a.write(w)
}

// openID is the tenant's OpenID configuration.
// https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
func (e *Emulator) openID(r *http.Request, tenant string) reply {
	if why := e.checkTenant(tenant); why != nil {
		return e.refuseSignIn(*why)
	}
	base := e.baseURL(r)
	root := base + "/" + e.Tenant.ID
	return ok((&object{}).
		set("token_endpoint", root+"/oauth2/v2.0/token").
		set("token_endpoint_auth_methods_supported", []string{"client_secret_post", "private_key_jwt"}).
		set("jwks_uri", root+"/discovery/v2.0/keys").
		set("response_types_supported", []string{"code", "id_token", "token"}).
		set("subject_types_supported", []string{"pairwise"}).
		set("id_token_signing_alg_values_supported", []string{"RS256"}).
		set("scopes_supported", []string{"openid", "profile", "email", "offline_access"}).
		set("issuer", root+"/v2.0").
		set("authorization_endpoint", root+"/oauth2/v2.0/authorize").
		set("device_authorization_endpoint", root+"/oauth2/v2.0/devicecode").
		set("tenant_region_scope", "EU").
		set("cloud_instance_name", "microsoftonline.com").
		set("cloud_graph_host_name", "graph.windows.net").
		set("msgraph_host", strings.TrimPrefix(strings.TrimPrefix(base, "https://"), "http://")))
}

// instance is instance discovery: this host is the one authority, under its own name. Its shape is as MSAL reads
// it (github.com/AzureAD/microsoft-authentication-library-for-go, apps/internal/oauth/ops/authority).
func (e *Emulator) instance(r *http.Request) reply {
	base := e.baseURL(r)
	host := base[strings.Index(base, "//")+2:]
	alias := (&object{}).set("preferred_network", host).set("preferred_cache", host).set("aliases", []string{host})
	return ok((&object{}).
		set("tenant_discovery_endpoint", base+"/"+e.Tenant.ID+"/v2.0/.well-known/openid-configuration").
		set("api-version", "1.1").
		set("metadata", []*object{alias}))
}

// refuseEntra answers a refusal that the gateway injects.
func (e *Emulator) refuseEntra(w http.ResponseWriter, why service.Refusal) {
	var no oauthError
	switch why {
	case service.Throttle:
		no = tenantThrottled()
		no.retryAfter = defaultRetryAfter
	case service.Unavailable:
		no = busy()
	case service.Deny:
		no = oauthError{401, "unauthorized_client", 7000112, "Application is disabled.", 0}
	default:
		no = oauthError{500, "server_error", 90033, "A transient error has occurred. Please try again.", 0}
	}
	a := e.refuseSignIn(no)
	a.header.Set("Content-Type", "application/json; charset=utf-8")
	a.write(w)
}
