package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/secrets"
	"rollcall/shared/emulator/service"
	"rollcall/shared/fault"
	"rollcall/shared/redact"
	"rollcall/shared/secret"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
	id      = "rollcall/graph"

	tenant = "0a5b7c1e-3f62-4d0b-9c55-6a1f2e3d4c5b"
	client = "1b6c8d2f-4073-4e1c-8d66-7b203f4e5d6c"
	// hush stands for the client secret, wherever an administrator may have put it.
	hush = "hush~Q.8sT_not-a-real-one"
)

func good() string {
	return fmt.Sprintf(`{"tenantId": %q, "clientId": %q, "clientSecret": %q, "expiresOn": "2027-11-23", "enabled": true}`, tenant, client, hush)
}

type stage struct {
	service *secrets.Service
	gate    *gateway.Gateway
	store   *secret.Store
}

func start(t *testing.T) *stage {
	t.Helper()
	gate, err := gateway.Start(gateway.Options{Account: account})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gate.Close(); err != nil {
			t.Error(err)
		}
	})
	now := clock.NewManual(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	s := &stage{gate: gate, service: secrets.New(secrets.Options{Clock: now, Account: account, Region: region})}
	gate.Serve(s.service)
	s.store = secret.NewStore(open(gate.URL()))
	return s
}

func open(url string) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: region, BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("AKIAPLANNER", "key", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
}

func (s *stage) create(t *testing.T, document string) (arn string) {
	t.Helper()
	arn, err := s.service.Create(account, region, id, document)
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func expectKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if got := fault.Of(err); got != want {
		t.Errorf("the error is %q (%v): expected %q", got, err, want)
	}
	if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), hush) {
		t.Errorf("the error holds the secret")
	}
}

func TestTheCredentialIsRead(t *testing.T) {
	whole := secret.Credential{
		TenantID: tenant, ClientID: client, ClientSecret: redact.New(hush),
		ExpiresOn: time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC), Enabled: true, Cloud: secret.Global,
	}
	cases := map[string]struct {
		document string
		change   func(*secret.Credential)
	}{
		"whole":           {good(), func(*secret.Credential) {}},
		"keyless":         {without(good(), "clientSecret"), func(c *secret.Credential) { c.ClientSecret = redact.Secret{} }},
		"no expiry":       {without(good(), "expiresOn"), func(c *secret.Credential) { c.ExpiresOn = time.Time{} }},
		"enabled unsaid":  {without(good(), "enabled"), func(*secret.Credential) {}},
		"switched off":    {with(good(), "enabled", `false`), func(c *secret.Credential) { c.Enabled = false }},
		"an expiry time":  {with(good(), "expiresOn", `"2027-11-23T10:00:00+01:00"`), func(c *secret.Credential) { c.ExpiresOn = c.ExpiresOn.Add(9 * time.Hour) }},
		"a tenant domain": {with(good(), "tenantId", `"contoso.onmicrosoft.com"`), func(c *secret.Credential) { c.TenantID = "contoso.onmicrosoft.com" }},
		"US Government":   {with(good(), "cloud", `"usgov"`), func(c *secret.Credential) { c.Cloud = secret.USGov }},
		"US DoD":          {with(good(), "cloud", `"usgovdod"`), func(c *secret.Credential) { c.Cloud = secret.USGovDoD }},
		"China":           {with(good(), "cloud", `"china"`), func(c *secret.Credential) { c.Cloud = secret.China }},
		"global, said":    {with(good(), "cloud", `"global"`), func(*secret.Credential) {}},
		"much space":      {strings.NewReplacer("{", "\n { ", ": ", " :\t", ", ", " ,\r\n", "}", " }\n").Replace(good()), func(*secret.Credential) {}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			arn := s.create(t, c.document)
			want := whole
			c.change(&want)
			for _, by := range []string{id, arn} {
				got, err := s.store.Graph(t.Context(), by)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-expected +read:\n%s", diff)
				}
				if got.Keyless() != (got.ClientSecret.Reveal() == "") {
					t.Errorf("keyless is %t", got.Keyless())
				}
			}
		})
	}
}

// with is a document with a field set to a piece of JSON, and without is one that lacks it.
func with(document, field, value string) string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		panic(err)
	}
	fields[field] = json.RawMessage(value)
	out, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func without(document string, field string) string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		panic(err)
	}
	delete(fields, field)
	out, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// quoted is a piece of text as JSON.
func quoted(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// TestComplaints: each mistake is told by its field, with what is expected, and without what was written.
func TestComplaints(t *testing.T) {
	rename := func(from, to string) string { return strings.Replace(good(), `"`+from+`"`, `"`+to+`"`, 1) }
	cases := map[string]struct {
		document string
		says     []string
		not      string // a complaint that would be one too many
	}{
		"only the secret itself":     {hush, []string{"not a JSON object: expected {"}, ""},
		"text in quotes":             {quoted(hush), []string{"not a JSON object"}, ""},
		"a list":                     {`["` + hush + `"]`, []string{"not a JSON object"}, ""},
		"null":                       {"null", []string{"not a JSON object"}, ""},
		"an empty object":            {"{}", []string{"tenantId is missing", "clientId is missing"}, "clientSecret is missing"},
		"blank":                      {"  ", []string{"is empty: expected {"}, ""},
		"cut off":                    {good()[:120], []string{"not a JSON object"}, ""},
		"a comma too many":           {strings.Replace(good(), "true}", "true,}", 1), []string{"not a JSON object"}, ""},
		"a quote that is missing":    {strings.Replace(good(), hush+`"`, hush, 1), []string{"not a JSON object"}, ""},
		"two objects":                {good() + good(), []string{"more than one JSON object"}, ""},
		"something after it":         {good() + hush, []string{"more than one JSON object"}, ""},
		"a byte order mark":          {"\uFEFF" + good(), []string{"byte order mark"}, ""},
		"a field twice":              {strings.Replace(good(), `"enabled"`, `"clientSecret": "`+hush+`2", "enabled"`, 1), []string{"clientSecret is there twice"}, ""},
		"an unknown field twice":     {strings.Replace(good(), `"enabled"`, quoted(hush)+`: 1, `+quoted(hush)+`: 2, "enabled"`, 1), []string{"a field that is not known is there twice"}, ""},
		"client_secret":              {rename("clientSecret", "client_secret"), []string{`"client_secret" is not a field: clientSecret is probably meant`}, "missing"},
		"ClientSecret":               {rename("clientSecret", "ClientSecret"), []string{`"ClientSecret" is not a field: clientSecret is probably meant`}, ""},
		"secret":                     {rename("clientSecret", "secret"), []string{`"secret" is not a field: clientSecret is probably meant`}, ""},
		"tenant_id":                  {rename("tenantId", "tenant_id"), []string{`"tenant_id" is not a field: tenantId is probably meant`}, "tenantId is missing"},
		"appId":                      {rename("clientId", "appId"), []string{`"appId" is not a field: clientId is probably meant`}, "clientId is missing"},
		"enabeld":                    {rename("enabled", "enabeld"), []string{`"enabeld" is not a field: enabled is probably meant`}, ""},
		"expires":                    {rename("expiresOn", "expires"), []string{`"expires" is not a field: expiresOn is probably meant`}, ""},
		"the secret as a field":      {with(good(), hush, `""`), []string{"fields that are not known (1;", "expected only tenantId, clientId, clientSecret, expiresOn, enabled, cloud"}, ""},
		"no tenant":                  {without(good(), "tenantId"), []string{"tenantId is missing: expected the Directory (tenant) ID"}, ""},
		"no client":                  {without(good(), "clientId"), []string{"clientId is missing: expected the Application (client) ID"}, ""},
		"an empty tenant":            {with(good(), "tenantId", `""`), []string{"tenantId is empty"}, "neither"},
		"the secret as tenant":       {with(good(), "tenantId", quoted(hush)), []string{"tenantId is neither an id nor a domain"}, ""},
		"the secret as client":       {with(good(), "clientId", quoted(hush)), []string{"clientId is not an id"}, ""},
		"a client's name":            {with(good(), "clientId", `"rollcall"`), []string{"clientId is not an id"}, ""},
		"a number as client":         {with(good(), "clientId", `12`), []string{"clientId is a number: expected"}, ""},
		"null as client":             {with(good(), "clientId", `null`), []string{"clientId is null"}, ""},
		"an empty secret":            {with(good(), "clientSecret", `""`), []string{"clientSecret is empty: expected the Value", "leave the field out for keyless sign-in"}, ""},
		"null as secret":             {with(good(), "clientSecret", `null`), []string{"clientSecret is null"}, ""},
		"an object as secret":        {with(good(), "clientSecret", `{"value":"`+hush+`"}`), []string{"clientSecret is an object"}, ""},
		"the Secret ID":              {with(good(), "clientSecret", quoted(client)), []string{"clientSecret looks like a Secret ID"}, ""},
		"a line break in the secret": {with(good(), "clientSecret", quoted(hush+"\n")), []string{"clientSecret has spaces or a line break around it"}, ""},
		"a day that is none":         {with(good(), "expiresOn", `"2027-02-30"`), []string{"expiresOn is not a date"}, ""},
		"a date as in Germany":       {with(good(), "expiresOn", `"23.11.2027"`), []string{"expiresOn is not a date: expected the day", "2027-11-23"}, ""},
		"the secret as date":         {with(good(), "expiresOn", quoted(hush)), []string{"expiresOn is not a date"}, ""},
		"enabled in quotes":          {with(good(), "enabled", `"false"`), []string{"enabled is text: expected true or false, without quotes"}, ""},
		"enabled as null":            {with(good(), "enabled", `null`), []string{"enabled is null"}, ""},
		"enabled as a number":        {with(good(), "enabled", `0`), []string{"enabled is a number"}, ""},
		"another cloud":              {with(good(), "cloud", `"AzureUSGovernment"`), []string{"cloud is not known: expected global, usgov, usgovdod, china"}, ""},
		"the cloud in capitals":      {with(good(), "cloud", `"USGov"`), []string{"cloud is not known"}, ""},
		"an empty cloud":             {with(good(), "cloud", `""`), []string{"cloud is empty"}, ""},
		"everything at once": {
			`{"tenantId":1,"client_id":"x","enabled":"yes","cloud":"mars","expiresOn":""}`,
			[]string{"tenantId is a number", `"client_id" is not a field`, "enabled is text", "cloud is not known", "expiresOn is empty"},
			"",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.create(t, c.document)
			got, err := s.store.Graph(t.Context(), id)
			expectKind(t, err, fault.Misconfigured)
			if diff := cmp.Diff(secret.Credential{}, got); diff != "" {
				t.Errorf("and yet there is a credential: %s", diff)
			}
			text := fmt.Sprint(err)
			for _, says := range append(c.says, id) {
				if !strings.Contains(text, says) {
					t.Errorf("%s\ndoes not say %q", text, says)
				}
			}
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("%s\nsays %q", text, c.not)
			}
		})
	}
}

// FuzzComplaints: whatever was pasted, and wherever the secret is in it, no complaint repeats it.
func FuzzComplaints(f *testing.F) {
	for _, document := range []string{good(), "%s", `{"%s":1}`, `{"tenantId":"%s","cloud":"%s"}`, `{"a":{"b":"%s"`, `{"clientSecret":%s}`} {
		f.Add(document)
	}
	answer := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]string{"Name": id, "SecretString": <-answer})
	}))
	f.Cleanup(server.Close)
	store := secret.NewStore(open(server.URL))
	f.Fuzz(func(t *testing.T, document string) {
		document = strings.ReplaceAll(document, "%s", hush)
		answer <- document
		c, err := store.Graph(t.Context(), id)
		if err != nil {
			expectKind(t, err, fault.Misconfigured)
			return
		}
		if c.TenantID == "" || c.ClientID == "" || c.Cloud == "" || strings.Contains(fmt.Sprintf("%v %+v %#v", c, c, c), hush) {
			t.Errorf("%q was read as %+v", document, c)
		}
	})
}

// TestRotation: each read takes the current version, and the one before it is not asked for.
func TestRotation(t *testing.T) {
	s := start(t)
	s.create(t, good())
	put := func(document string) {
		t.Helper()
		if err := s.service.Put(account, region, id, document); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		c, err := s.store.Graph(t.Context(), id)
		if err != nil || c.ClientSecret.Reveal() != want {
			t.Errorf("it is not the expected secret: %v", err)
		}
	}
	expect(hush)
	put(with(good(), "clientSecret", quoted(hush+"-2")))
	expect(hush + "-2")
	put(without(good(), "clientSecret"))
	expect("")
	// A new one that was pasted wrongly is told, not covered up by the one before.
	put(with(good(), "clientSecret", quoted(client)))
	_, err := s.store.Graph(t.Context(), id)
	expectKind(t, err, fault.Misconfigured)
	put(good())
	expect(hush)
}

func TestASecretThatCannotBeRead(t *testing.T) {
	cases := map[service.Refusal]fault.Kind{
		service.Throttle:    fault.Throttled,
		service.Unavailable: fault.Unavailable,
		service.ServerError: fault.Unavailable,
		service.Deny:        fault.Denied,
		service.DropAnswer:  fault.Unavailable,
		service.DropCall:    fault.Unavailable,
	}
	for why, want := range cases {
		t.Run(string(why), func(t *testing.T) {
			s := start(t)
			s.create(t, good())
			injected, err := s.gate.Inject(gateway.Fault{Why: why})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.store.Graph(t.Context(), id)
			expectKind(t, err, want)
			if why == service.Deny && !strings.Contains(err.Error(), "Allow secretsmanager:GetSecretValue on secret "+id) {
				t.Errorf("%v does not name the permission", err)
			}
			if injected.Count() == 0 {
				t.Error("the fault never struck")
			}
		})
	}
	t.Run("it is not there", func(t *testing.T) {
		_, err := start(t).store.Graph(t.Context(), id)
		expectKind(t, err, fault.NotFound)
		if !strings.Contains(err.Error(), "ROLLCALL_GRAPH_SECRET") {
			t.Errorf("%v does not name the environment variable", err)
		}
	})
	t.Run("no name", func(t *testing.T) {
		_, err := start(t).store.Graph(t.Context(), "")
		expectKind(t, err, fault.Misconfigured)
	})
	t.Run("it is marked for deletion", func(t *testing.T) {
		s := start(t)
		s.create(t, good())
		if _, err := open(s.gate.URL()).DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(id)}); err != nil {
			t.Fatal(err)
		}
		_, err := s.store.Graph(t.Context(), id)
		expectKind(t, err, fault.Misconfigured)
	})
	t.Run("it is binary", func(t *testing.T) {
		s := start(t)
		if _, err := open(s.gate.URL()).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: aws.String(id), SecretBinary: []byte(good()),
		}); err != nil {
			t.Fatal(err)
		}
		_, err := s.store.Graph(t.Context(), id)
		expectKind(t, err, fault.Misconfigured)
	})
	t.Run("time ran out", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := start(t).store.Graph(ctx, id)
		expectKind(t, err, fault.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not context.Canceled", err)
		}
	})
}

// TestAnswersThatNoEmulatorGives: other codes, and answers that are broken off inside the secret.
func TestAnswersThatNoEmulatorGives(t *testing.T) {
	refused := func(code string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, code)
		}
	}
	said := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			fmt.Fprint(w, body)
		}
	}
	cases := map[string]struct {
		answer http.HandlerFunc
		want   fault.Kind
		says   string
	}{
		"its key may not be used":   {refused("DecryptionFailure", 400), fault.Denied, "kms:Decrypt"},
		"an expired token":          {refused("ExpiredTokenException", 400), fault.Denied, "secretsmanager:GetSecretValue"},
		"a new code":                {refused("SomethingNew", 400), fault.Unknown, "SomethingNew"},
		"a new code, and a 503":     {refused("SomethingNew", 503), fault.Unavailable, "SomethingNew"},
		"broken off in the secret":  {said(`{"SecretString":"` + hush), fault.Unavailable, "the answer cannot be read"},
		"the secret, and no quotes": {said(`{"SecretString":` + hush + `}`), fault.Unavailable, "the answer cannot be read"},
		"the secret, as a list":     {said(`{"SecretString":["` + hush + `"]}`), fault.Unavailable, "the answer cannot be read"},
		"a page of a proxy":         {said("<html>" + hush), fault.Unavailable, "the answer cannot be read"},
		"neither text nor binary":   {said(`{"Name":"x"}`), fault.Misconfigured, "it is binary"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			_, err := secret.NewStore(open(server.URL)).Graph(t.Context(), id)
			expectKind(t, err, c.want)
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}

// TestACredentialDoesNotPrint: under no verb, in no encoding, and in no wrapping.
func TestACredentialDoesNotPrint(t *testing.T) {
	c := secret.Credential{TenantID: tenant, ClientSecret: redact.New(hush)}
	type outer struct {
		Open   secret.Credential
		closed secret.Credential
		at     *secret.Credential
	}
	o := outer{c, c, &c}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%10.3s", "%p", "%T"} {
		for _, each := range []any{c, &c, o, &o, []any{c}} {
			shown = append(shown, fmt.Sprintf(verb, each))
		}
	}
	for _, each := range []any{c, &c, o} {
		out, err := json.Marshal(each)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(out))
	}
	var log strings.Builder
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info(fmt.Sprint(c), "credential", c, "outer", o)
	}
	for _, text := range append(shown, log.String(), cmp.Diff(c, secret.Credential{})) {
		for _, leak := range []string{hush, fmt.Sprintf("%x", hush), fmt.Sprintf("%X", hush), hush[:6]} {
			if strings.Contains(text, leak) {
				t.Errorf("it is in %q", text)
			}
		}
	}
	if got := fmt.Sprint(c); !strings.Contains(got, redact.Mark) || !strings.Contains(got, tenant) {
		t.Errorf("it shows as %q", got)
	}
}
