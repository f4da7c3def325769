package sts_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/sts"
)

var _ service.Service = (*sts.Service)(nil)

const (
	home       = "111122223333"
	member     = "444455556666"
	workerRole = "arn:aws:iam::111122223333:role/service-role/rollcall-worker"
	memberRole = "arn:aws:iam::444455556666:role/rollcall-member"
	entra      = "api://AzureADTokenExchange"
)

// stage is a service behind a door that knows its callers by key, as the gateway does.
type stage struct {
	*sts.Service
	now  *clock.Manual
	url  string
	keys map[string]service.Caller
}

func open(t *testing.T) *stage {
	t.Helper()
	s := &stage{now: clock.NewManual(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)), keys: map[string]service.Caller{
		"AKIAWORKER": {Name: "worker", Account: home},
		"AKIAADA":    {Name: "ada", Account: home},
	}}
	s.Service = sts.New(sts.Options{Clock: s.now, Register: func(key, account, name string) {
		s.keys[key] = service.Caller{Name: name, Account: account}
	}})
	if err := s.RunAs("worker", sts.Principal{Role: workerRole, Function: "arn:aws:lambda:eu-central-1:111122223333:function:worker"}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, region, name, _ := service.ParseScope(r.Header.Get("Authorization"))
		who := s.keys[key]
		who.Key, who.Region, who.Service = key, region, name
		s.ServeHTTP(w, r.WithContext(service.WithCaller(r.Context(), who)))
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *stage) client(key string) *awssts.Client {
	return awssts.New(awssts.Options{
		BaseEndpoint: &s.url, Region: "eu-central-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, "example", ""),
	})
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func identity(t *testing.T, c *awssts.Client) string {
	t.Helper()
	out, err := c.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Account + " " + *out.Arn
}

func TestCallersAreWhoTheyAre(t *testing.T) {
	s := open(t)
	for key, want := range map[string]string{
		"AKIAWORKER": home + " arn:aws:sts::111122223333:assumed-role/rollcall-worker/worker",
		"AKIAADA":    home + " arn:aws:iam::111122223333:user/ada",
		"AKIANOBODY": "000000000000 arn:aws:iam::000000000000:user/AKIANOBODY",
	} {
		if got := identity(t, s.client(key)); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestARoleInAnotherAccountIsAssumed(t *testing.T) {
	s := open(t)
	if err := s.AddRole(sts.Role{ARN: memberRole, Trusts: []string{workerRole}, ExternalID: "shared-word"}); err != nil {
		t.Fatal(err)
	}
	out, err := s.client("AKIAWORKER").AssumeRole(t.Context(), &awssts.AssumeRoleInput{
		RoleArn: aws.String(memberRole), RoleSessionName: aws.String("rollcall"), ExternalId: aws.String("shared-word"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *out.AssumedRoleUser.Arn, "arn:aws:sts::444455556666:assumed-role/rollcall-member/rollcall"; got != want {
		t.Errorf("the session is %s, want %s", got, want)
	}
	if got, want := *out.Credentials.Expiration, s.now.Now().Add(time.Hour); !got.Equal(want) {
		t.Errorf("it ends at %v, want %v", got, want)
	}
	key := *out.Credentials.AccessKeyId
	if diff := cmp.Diff(service.Caller{Name: "worker", Account: member}, s.keys[key]); diff != "" {
		t.Errorf("what was registered (-want +got):\n%s", diff)
	}
	if got, want := identity(t, s.client(key)), member+" arn:aws:sts::444455556666:assumed-role/rollcall-member/rollcall"; got != want {
		t.Errorf("the key is %s, want %s", got, want)
	}
	s.now.Advance(time.Hour)
	if _, err := s.client(key).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); codeOf(err) != "ExpiredToken" {
		t.Errorf("after an hour: %v", err)
	}
}

func TestARoleIsRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		key     string
		role    sts.Role
		in      awssts.AssumeRoleInput
		code    string
		message string
	}{
		{name: "that does not exist", role: sts.Role{ARN: memberRole}, in: awssts.AssumeRoleInput{RoleArn: aws.String(memberRole + "-not")}, code: "AccessDenied"},
		{name: "without its external id", role: sts.Role{ARN: memberRole, ExternalID: "word"}, code: "AccessDenied"},
		{
			name: "with another external id", role: sts.Role{ARN: memberRole, ExternalID: "word"}, in: awssts.AssumeRoleInput{ExternalId: aws.String("other")}, code: "AccessDenied",
			message: "User: arn:aws:sts::111122223333:assumed-role/rollcall-worker/worker is not authorized to perform: sts:AssumeRole on resource: " + memberRole,
		},
		{name: "that trusts another account", role: sts.Role{ARN: memberRole, Trusts: []string{"999988887777"}}, code: "AccessDenied"},
		{name: "that trusts another role", role: sts.Role{ARN: memberRole, Trusts: []string{workerRole + "-not"}}, code: "AccessDenied"},
		{name: "whose ARN is none", role: sts.Role{ARN: memberRole}, in: awssts.AssumeRoleInput{RoleArn: aws.String("nothing-valid-in-here")}, code: "ValidationError", message: "nothing-valid-in-here is invalid"},
		{name: "for a session name with a space", role: sts.Role{ARN: memberRole}, in: awssts.AssumeRoleInput{RoleSessionName: aws.String("a b")}, code: "ValidationError"},
		{name: "for 14 minutes", role: sts.Role{ARN: memberRole}, in: awssts.AssumeRoleInput{DurationSeconds: aws.Int32(14 * 60)}, code: "ValidationError"},
		{name: "for two hours by a session", role: sts.Role{ARN: memberRole, MaxSession: 12 * time.Hour}, in: awssts.AssumeRoleInput{DurationSeconds: aws.Int32(7200)}, code: "ValidationError", message: "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"},
		{name: "for two hours of one", key: "AKIAADA", role: sts.Role{ARN: memberRole}, in: awssts.AssumeRoleInput{DurationSeconds: aws.Int32(7200)}, code: "ValidationError", message: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			if err := s.AddRole(c.role); err != nil {
				t.Fatal(err)
			}
			if c.in.RoleArn == nil {
				c.in.RoleArn = aws.String(memberRole)
			}
			if c.in.RoleSessionName == nil {
				c.in.RoleSessionName = aws.String("rollcall")
			}
			if c.key == "" {
				c.key = "AKIAWORKER"
			}
			known := len(s.keys)
			_, err := s.client(c.key).AssumeRole(t.Context(), &c.in)
			if codeOf(err) != c.code || !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %v, want %s %q", err, c.code, c.message)
			}
			if len(s.keys) != known {
				t.Error("a key was registered all the same")
			}
		})
	}
}

func TestALongSessionWhereTheRoleAllowsIt(t *testing.T) {
	s := open(t)
	if err := s.AddRole(sts.Role{ARN: memberRole, Trusts: []string{home}, MaxSession: 2 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	out, err := s.client("AKIAADA").AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: aws.String(memberRole), RoleSessionName: aws.String("ada"), DurationSeconds: aws.Int32(7200)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *out.Credentials.Expiration, s.now.Now().Add(2*time.Hour); !got.Equal(want) {
		t.Errorf("it ends at %v, want %v", got, want)
	}
}

func wish() *awssts.GetWebIdentityTokenInput {
	return &awssts.GetWebIdentityTokenInput{Audience: []string{entra}, SigningAlgorithm: aws.String("RS256")}
}

func TestAWebIdentityTokenSaysWhoseItIs(t *testing.T) {
	s := open(t)
	issuer := s.EnableFederation(home)
	in := wish()
	in.DurationSeconds, in.Tags = aws.Int32(600), []types.Tag{{Key: aws.String("installation"), Value: aws.String("main")}}
	out, err := s.client("AKIAWORKER").GetWebIdentityToken(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.now.Now().Add(10 * time.Minute); !out.Expiration.Equal(want) {
		t.Errorf("it ends at %v, want %v", out.Expiration, want)
	}
	part := strings.Split(*out.WebIdentityToken, ".")
	if len(part) != 3 {
		t.Fatalf("the token has %d parts", len(part))
	}
	header, claims := decoded(t, part[0]), decoded(t, part[1])
	signature, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil || !strings.Contains(string(signature), "not a signature") {
		t.Errorf("the signature is %q, %v", signature, err)
	}
	if diff := cmp.Diff(map[string]any{"alg": "RS256", "typ": "JWT", "kid": "unsigned-by-emulator"}, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if id, _ := claims["jti"].(string); len(id) != 36 {
		t.Errorf("jti is %q", id)
	}
	delete(claims, "jti")
	want := map[string]any{
		"iss": issuer, "sub": workerRole, "aud": entra,
		"iat": float64(s.now.Now().Unix()), "exp": float64(s.now.Now().Unix() + 600),
		"https://sts.amazonaws.com/": map[string]any{
			"aws_account": home, "source_region": "eu-central-1",
			"lambda_source_function_arn": "arn:aws:lambda:eu-central-1:111122223333:function:worker",
			"request_tags":               map[string]any{"installation": "main"},
		},
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(issuer, "https://") || !strings.HasSuffix(issuer, ".tokens.sts.global.api.aws") || issuer != sts.Issuer(home) || issuer == sts.Issuer(member) {
		t.Errorf("the issuer is %q", issuer)
	}
}

func decoded(t *testing.T, part string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAWebIdentityTokenIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*awssts.GetWebIdentityTokenInput, *stage)
		code   string
	}{
		{"while federation is off", func(_ *awssts.GetWebIdentityTokenInput, s *stage) { s.DisableFederation(home) }, "OutboundWebIdentityFederationDisabledException"},
		{"for no audience", func(in *awssts.GetWebIdentityTokenInput, _ *stage) { in.Audience = []string{} }, "ValidationError"},
		{"for eleven audiences", func(in *awssts.GetWebIdentityTokenInput, _ *stage) {
			in.Audience = strings.Split(strings.Repeat("a ", 10)+"a", " ")
		}, "ValidationError"},
		{"for an audience that is too long", func(in *awssts.GetWebIdentityTokenInput, _ *stage) {
			in.Audience = []string{strings.Repeat("a", 1001)}
		}, "ValidationError"},
		{"with another algorithm", func(in *awssts.GetWebIdentityTokenInput, _ *stage) { in.SigningAlgorithm = aws.String("HS256") }, "ValidationError"},
		{"for 59 seconds", func(in *awssts.GetWebIdentityTokenInput, _ *stage) { in.DurationSeconds = aws.Int32(59) }, "ValidationError"},
		{"for more than an hour", func(in *awssts.GetWebIdentityTokenInput, _ *stage) { in.DurationSeconds = aws.Int32(3601) }, "ValidationError"},
		{"with 51 tags", func(in *awssts.GetWebIdentityTokenInput, _ *stage) {
			for i := range 51 {
				in.Tags = append(in.Tags, types.Tag{Key: aws.String(strings.Repeat("k", i+1)), Value: aws.String("v")})
			}
		}, "ValidationError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			s.EnableFederation(home)
			if _, err := s.client("AKIAWORKER").GetWebIdentityToken(t.Context(), wish()); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			in := wish()
			c.change(in, s)
			_, err := s.client("AKIAWORKER").GetWebIdentityToken(t.Context(), in)
			if codeOf(err) != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

func TestATokenMayNotOutliveItsSession(t *testing.T) {
	s := open(t)
	s.EnableFederation(member)
	if err := s.AddRole(sts.Role{ARN: memberRole}); err != nil {
		t.Fatal(err)
	}
	out, err := s.client("AKIAWORKER").AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: aws.String(memberRole), RoleSessionName: aws.String("rollcall")})
	if err != nil {
		t.Fatal(err)
	}
	c := s.client(*out.Credentials.AccessKeyId)
	s.now.Advance(55 * time.Minute)
	if _, err := c.GetWebIdentityToken(t.Context(), wish()); err != nil {
		t.Errorf("five minutes before its end: %v", err)
	}
	s.now.Advance(time.Second)
	_, err = c.GetWebIdentityToken(t.Context(), wish())
	var typed *types.SessionDurationEscalationException
	if !errors.As(err, &typed) {
		t.Errorf("a second later: %v", err)
	}
}

func TestRefusalsAreTheServicesOwn(t *testing.T) {
	for why, code := range map[service.Refusal]string{
		service.Throttle: "Throttling", service.Unavailable: "ServiceUnavailable", service.ServerError: "InternalFailure", service.Deny: "AccessDenied",
	} {
		s := sts.New(sts.Options{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Refuse(w, r, why) }))
		c := (&stage{url: server.URL}).client("AKIAADA")
		if _, err := c.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); codeOf(err) != code {
			t.Errorf("%s: %v", why, err)
		}
		server.Close()
	}
}

func TestALogLineNamesOperationAndRole(t *testing.T) {
	operation, resource := sts.New(sts.Options{}).Operation(nil, []byte("Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fx&Version=2011-06-15"))
	if operation != "AssumeRole" || resource != "arn:aws:iam::444455556666:role/x" {
		t.Errorf("%q, %q", operation, resource)
	}
}

func TestARoleHasAnARN(t *testing.T) {
	s := sts.New(sts.Options{})
	for _, arn := range []string{"", "rollcall", "arn:aws:iam::123:role/x", "arn:aws:iam::444455556666:user/x", "arn:aws:iam::444455556666:role/", "arn:aws:sts::444455556666:role/x"} {
		if s.AddRole(sts.Role{ARN: arn}) == nil || s.RunAs("worker", sts.Principal{Role: arn}) == nil {
			t.Errorf("%q was taken", arn)
		}
	}
}
