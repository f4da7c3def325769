package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"rollcall/shared/clock"
	"rollcall/shared/redact"
)

// Assertion fetches the JWT with which a keyless sign-in proves who we are: sts:GetWebIdentityToken, with RS256 (the
// only algorithm that Entra accepts) and Cloud.Audience. It must be safe for concurrent use. It lives outside, since
// an edge knows one SDK; its error is passed on with its own code, and those that AWS documents get advice.
type Assertion func(ctx context.Context) (string, error)

// Credential is how to sign in: exactly one of Secret and Assertion.
type Credential struct {
	Tenant string        // Directory (tenant) ID
	Client string        // Application (client) ID
	Secret redact.Secret // the Value of a client secret
	// Assertion is for keyless sign-in.
	Assertion Assertion
}

func (c Credential) check() error {
	var complaints []error
	if c.Tenant == "" {
		complaints = append(complaints, errors.New("the tenant id is empty"))
	}
	if c.Client == "" {
		complaints = append(complaints, errors.New("the client id is empty"))
	}
	if c.Secret.IsZero() == (c.Assertion == nil) {
		complaints = append(complaints, errors.New("expected a client secret or a keyless sign-in, exactly one of them"))
	}
	return errors.Join(complaints...)
}

// sameAs compares all that can be compared: two assertions of the same application are the same.
func (c Credential) sameAs(other Credential) bool {
	return c.Tenant == other.Tenant && c.Client == other.Client && c.Secret.Equal(other.Secret) &&
		(c.Assertion == nil) == (other.Assertion == nil)
}

// signer is the azcore.TokenCredential that the adapter asks. It holds azidentity's credential, which caches the
// token until it nears its end, and makes a new one when the credential changes or a token has lost Graph's trust.
type signer struct {
	authority string
	transport http.RoundTripper
	clock     clock.Clock

	mu         sync.Mutex
	credential Credential
	current    azcore.TokenCredential // nil: to be made
	made       time.Time
}

// change takes up another credential, and forgets the token only where it differs.
func (s *signer) change(c Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.credential.sameAs(c) {
		s.credential, s.current = c, nil
	}
}

// forget drops the cached token if it is older than d. A token keeps the roles that it was issued with, so consent
// that was granted since reaches us only with a new one.
func (s *signer) forget(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clock.Now().Sub(s.made) >= d {
		s.current = nil
	}
}

// GetToken returns the cached token or asks for one. Its errors are classified already.
func (s *signer) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	credential, err := s.take()
	if err != nil {
		return azcore.AccessToken{}, signInFault(err, nil, s.clock.Now())
	}
	trace := &signInTrace{}
	token, err := credential.GetToken(context.WithValue(ctx, traceKey{}, trace), o)
	if err != nil {
		return azcore.AccessToken{}, signInFault(err, trace, s.clock.Now())
	}
	return token, nil
}

func (s *signer) take() (azcore.TokenCredential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return s.current, nil
	}
	made, err := s.make()
	if err != nil {
		return nil, err
	}
	s.current, s.made = made, s.clock.Now()
	return made, nil
}

// make builds azidentity's credential. Instance discovery is off: the authority is a constant of ours or a setting,
// and asking another host about it would cost a request at each cold start. Retries are off: send retries.
func (s *signer) make() (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: s.authority},
		Transport: signInTransport{s.transport},
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}
	c := s.credential
	if c.Assertion == nil {
		return azidentity.NewClientSecretCredential(c.Tenant, c.Client, c.Secret.Reveal(),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	}
	assert := func(ctx context.Context) (string, error) {
		jwt, err := c.Assertion(ctx)
		if err == nil && jwt == "" {
			err = errors.New("the keyless sign-in's token is empty")
		}
		if trace, ok := ctx.Value(traceKey{}).(*signInTrace); ok {
			trace.assertion = err
		}
		return jwt, err
	}
	return azidentity.NewClientAssertionCredential(c.Tenant, c.Client, assert,
		&azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
}

// signInTrace keeps what one sign-in met, because azidentity's error keeps the response at best, and neither the
// assertion's error nor the network's.
type signInTrace struct {
	assertion error
	network   error
}

type traceKey struct{}

// signInTransport sends azidentity's requests.
type signInTransport struct{ transport http.RoundTripper }

// Do implements policy.Transporter.
func (t signInTransport) Do(r *http.Request) (*http.Response, error) {
	response, err := t.transport.RoundTrip(r)
	if trace, ok := r.Context().Value(traceKey{}).(*signInTrace); ok {
		trace.network = err
	}
	if err != nil {
		return nil, fmt.Errorf("reaching %s: %w", r.URL.Host, err)
	}
	return response, nil
}
