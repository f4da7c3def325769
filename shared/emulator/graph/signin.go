package graph

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oauthError is a refusal of Entra: branch on the error, never on the number.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
//
// The meaning of the numbers is documented, except 700211, 700212 and 700213 (issuer, audience, subject), whose
// texts were seen by others (Azure/login issue 482, azure-workload-identity issue 1200). The HTTP statuses are from
// experience and not documented.
type oauthError struct {
	status     int
	code       string
	number     int
	message    string
	retryAfter time.Duration
}

func (e *Emulator) refuseSignIn(no oauthError) reply {
	now := e.clock.Now()
	trace, correlation := e.ids.next(), e.ids.next()
	stamp := now.Format("2006-01-02 15:04:05Z")
	o := (&object{}).
		set("error", no.code).
		set("error_description", fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			no.number, no.message, trace, correlation, stamp)).
		set("error_codes", []int{no.number}).
		set("timestamp", stamp).
		set("trace_id", trace).
		set("correlation_id", correlation).
		set("error_uri", "https://login.microsoftonline.com/error?code="+strconv.Itoa(no.number))
	h := http.Header{}
	if no.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((no.retryAfter+time.Second-1)/time.Second)))
	}
	return reply{status: no.status, header: h, object: o}
}

func tenantThrottled() oauthError {
	return oauthError{429, "temporarily_unavailable", 90055, "The tenant has exceeded a request limit.", 0}
}

func busy() oauthError {
	return oauthError{503, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.", 0}
}

// checkTenant refuses a tenant that is not this one, by id or domain.
func (e *Emulator) checkTenant(tenant string) *oauthError {
	if strings.EqualFold(tenant, e.Tenant.ID) || strings.EqualFold(tenant, e.Tenant.Domain) {
		return nil
	}
	if !isID(tenant) && !strings.Contains(tenant, ".") {
		return &oauthError{400, "invalid_request", 900023, "Specified tenant identifier '" + tenant + "' is neither a " +
			"valid DNS name, nor a valid external domain.", 0}
	}
	return &oauthError{400, "invalid_request", 90002, "Tenant '" + tenant + "' not found. Check to make sure you have " +
		"the correct tenant ID and are signing into the correct cloud.", 0}
}

// signIn is the client credentials grant, with a secret or an assertion.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (e *Emulator) signIn(r *http.Request, tenant string) reply {
	c := e.newCall(r)
	if f := e.fault(tokenOperation, canonical(tenant), false); f != nil {
		if !e.pause(r.Context(), f.Delay) {
			return reply{abort: true}
		}
		if a, hit := e.signInFault(f); hit {
			return a
		}
	}
	body, why := readBody(r)
	if why != nil {
		return e.refuseSignIn(oauthError{400, "invalid_request", 900144, why.message, 0})
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return e.refuseSignIn(oauthError{400, "invalid_request", 900144, "The request body is not a form.", 0})
	}
	no := e.checkTenant(tenant)
	if no == nil {
		no = checkForm(form)
	}
	if no != nil {
		return e.refuseSignIn(*no)
	}
	e.Tenant.mu.RLock()
	defer e.Tenant.mu.RUnlock()
	client := canonical(form.Get("client_id"))
	a := e.Tenant.apps[client]
	if a == nil {
		return e.refuseSignIn(oauthError{400, "unauthorized_client", 700016, "Application with identifier '" + client +
			"' was not found in the directory '" + e.Tenant.Domain + "'. This can happen if the application has not " +
			"been installed by the administrator of the tenant or consented to by any user in the tenant.", 0})
	}
	if no = e.checkCredential(a, form); no != nil {
		return e.refuseSignIn(*no)
	}
	resource, no := e.checkScope(form.Get("scope"), c.base)
	if no != nil {
		return e.refuseSignIn(*no)
	}
	life := int(e.Behaviour().TokenLife / time.Second)
	o := (&object{}).set("token_type", "Bearer").set("expires_in", life).set("ext_expires_in", life).
		set("access_token", e.issue(a, resource))
	return reply{status: http.StatusOK, object: o, header: http.Header{"Cache-Control": {"no-store, no-cache"}}}
}

func (e *Emulator) signInFault(f *Injected) (reply, bool) {
	no := busy()
	switch f.What {
	case TooMany, TooManyBare:
		no = tenantThrottled()
	case Unavailable:
	case Timeout, ServerError:
		no.status = map[Failure]int{Timeout: 504, ServerError: 500}[f.What]
	case Forbidden, Unauthorized:
		no = oauthError{401, "invalid_client", 7000215, "Invalid client secret provided.", 0}
	case HTML:
		return htmlPage(http.StatusServiceUnavailable), true
	case HTMLOK:
		return htmlPage(http.StatusOK), true
	case TruncatedJSON:
		return reply{status: http.StatusOK, raw: []byte(`{"token_type":"Bearer","expires_in":35`)}, true
	case Disconnect:
		return reply{abort: true}, true
	default:
		return reply{}, false
	}
	no.retryAfter = f.RetryAfter
	a := e.refuseSignIn(no)
	if f.What == TooManyBare {
		a.raw = []byte{}
	}
	return a, true
}

func checkForm(form url.Values) *oauthError {
	for _, name := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(name) == "" {
			return &oauthError{400, "invalid_request", 900144, "The request body must contain the following parameter: '" +
				name + "'.", 0}
		}
	}
	if form.Get("grant_type") != "client_credentials" {
		return &oauthError{400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '" +
			form.Get("grant_type") + "'.", 0}
	}
	return nil
}

// checkScope finds the resource of "<resource>/.default". A resource that the tenant does not know, such as that
// of another cloud, is AADSTS500011.
func (e *Emulator) checkScope(scope, base string) (string, *oauthError) {
	for _, s := range strings.Fields(scope) {
		if slices.Contains([]string{"openid", "profile", "offline_access"}, s) {
			continue // MSAL sends them along; they mean nothing for an app
		}
		resource, whole := strings.CutSuffix(s, "/.default")
		if !whole {
			return "", &oauthError{400, "invalid_scope", 1002012, "The provided value for scope " + s + " is not valid. " +
				"Client credential flows must have a scope value with /.default suffixed to the resource identifier.", 0}
		}
		if !e.knows(resource, base) {
			return "", &oauthError{400, "invalid_resource", 500011, "The resource principal named " + resource +
				" was not found in the tenant named " + e.Tenant.Domain + ".", 0}
		}
		return strings.TrimRight(resource, "/"), nil
	}
	return "", &oauthError{400, "invalid_scope", 1002012, "The scope names no resource.", 0}
}

// checkCredential accepts any valid secret of the app, or an assertion that matches one of its federated
// credentials. The tenant's lock is held.
func (e *Emulator) checkCredential(a *app, form url.Values) *oauthError {
	if a.disabled {
		return &oauthError{401, "unauthorized_client", 7000112, "Application '" + a.ClientID + "'(" + a.Name +
			") is disabled.", 0}
	}
	if form.Get("client_assertion") != "" || form.Get("client_assertion_type") != "" {
		return e.checkAssertion(a, form)
	}
	value := form.Get("client_secret")
	if value == "" {
		return &oauthError{401, "invalid_client", 7000218, "The request body must contain the following parameter: " +
			"'client_assertion' or 'client_secret'.", 0}
	}
	hash, expired := sha256.Sum256([]byte(value)), false
	for _, s := range a.secrets {
		if s.hash == hash {
			if e.clock.Now().Before(s.expires) {
				return nil
			}
			expired = true
		}
	}
	if expired {
		return &oauthError{401, "invalid_client", 7000222, "The provided client secret keys for app '" + a.ClientID +
			"' are expired. Visit the Azure portal to create new keys for your app.", 0}
	}
	return &oauthError{401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in " +
		"the request is the client secret value, not the client secret ID, for a secret added to app '" + a.ClientID +
		"'.", 0}
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// checkAssertion compares issuer, subject and audience of an outside token with the app's federated credentials,
// letter by letter, and its times with the clock. The signature is NOT verified: the emulator has no way to the
// issuer's keys, and is no place to prove anything. Only RS256 is accepted, as documented.
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
func (e *Emulator) checkAssertion(a *app, form url.Values) *oauthError {
	invalid := func(number int, format string, args ...any) *oauthError {
		return &oauthError{401, "invalid_client", number, fmt.Sprintf(format, args...), 0}
	}
	if form.Get("client_assertion_type") != assertionType {
		return &oauthError{400, "invalid_request", 50027, "The client_assertion_type is not supported.", 0}
	}
	t, ok := readAssertion(form.Get("client_assertion"))
	if !ok {
		return &oauthError{400, "invalid_request", 50027, "JWT token is invalid or malformed.", 0}
	}
	if t.Algorithm != "RS256" {
		return invalid(5002738, "Invalid JWT token. '%s' is not a supported signature algorithm.", t.Algorithm)
	}
	const skew = 5 * time.Minute
	if now := e.clock.Now(); now.After(time.Unix(t.Expires, 0).Add(skew)) || now.Add(skew).Before(time.Unix(t.Issued, 0)) {
		return invalid(700024, "Client assertion is not within its valid time range.")
	}
	lag := e.Behaviour().Lag.Federation
	var issuer, subject bool
	known := 0
	for _, f := range a.trusts {
		if lag > 0 && e.since(f.made) < lag {
			continue
		}
		known++
		issuer = issuer || f.Issuer == t.Issuer
		subject = subject || f.Issuer == t.Issuer && f.Subject == t.Subject
		if f.Issuer == t.Issuer && f.Subject == t.Subject && slices.Contains(t.Audience, f.Audience) {
			return nil
		}
	}
	const none = "No matching federated identity record found for presented assertion"
	const check = " Check your federated identity credential Subject, Audience and Issuer against the presented " +
		"assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
	switch {
	case known == 0:
		return invalid(70021, none+". Assertion Issuer: '%s'. Assertion Subject: '%s'. Assertion Audience: '%s'.",
			t.Issuer, t.Subject, strings.Join(t.Audience, " "))
	case !issuer:
		return invalid(700211, none+" issuer '%s'."+check, t.Issuer)
	case !subject:
		return invalid(700213, none+" subject '%s'."+check, t.Subject)
	}
	return invalid(700212, none+" audience '%s'."+check, strings.Join(t.Audience, " "))
}

type assertion struct {
	Algorithm       string
	Issuer, Subject string
	Audience        []string
	Issued, Expires int64
}

// readAssertion reads a JWT's header and claims.
func readAssertion(token string) (assertion, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return assertion{}, false
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var body struct {
		Issuer   string          `json:"iss"`
		Subject  string          `json:"sub"`
		Audience json.RawMessage `json:"aud"`
		Issued   float64         `json:"iat"`
		Expires  float64         `json:"exp"`
	}
	for i, into := range []any{&header, &body} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return assertion{}, false
		}
	}
	a := assertion{
		Algorithm: header.Algorithm, Issuer: body.Issuer, Subject: body.Subject,
		Issued: int64(body.Issued), Expires: int64(body.Expires),
	}
	var one string
	if json.Unmarshal(body.Audience, &one) == nil {
		a.Audience = []string{one}
	} else if json.Unmarshal(body.Audience, &a.Audience) != nil {
		return assertion{}, false
	}
	return a, true
}
