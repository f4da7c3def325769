package sts

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"
)

// Limits of GetWebIdentityToken.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
const (
	mostAudiences   = 10
	longestAudience = 1000
	mostTags        = 50
	shortestToken   = 60 * time.Second
	standardToken   = 300 * time.Second
	longestToken    = 3600 * time.Second
)

// unsigned is what stands where the signature would: base64url, as a JWT wants it, and plain to who decodes it.
const unsigned = "not a signature: this token was made by the emulator of rollcall"

type webToken struct {
	WebIdentityToken string
	Expiration       string
}

// EnableFederation switches outbound web identity federation on in an account and gives its issuer, as
// iam:EnableOutboundWebIdentityFederation does: one URL for each account, always the same, without a slash at the end.
func (s *Service) EnableFederation(account string) (issuer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.federating[account] = true
	return Issuer(account)
}

// DisableFederation switches it off: GetWebIdentityToken is OutboundWebIdentityFederationDisabledException then.
func (s *Service) DisableFederation(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.federating, account)
}

// Issuer is the issuer of an account's tokens. In AWS the id in it is any UUID; here it is made of the account.
func Issuer(account string) string {
	h := sha256.Sum256([]byte("issuer of " + account))
	return fmt.Sprintf("https://%x-%x-%x-%x-%x.tokens.sts.global.api.aws", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// webIdentityToken makes a token for the caller's role.
func (s *Service) webIdentityToken(who caller, form url.Values) (any, error) {
	audiences := members(form, "Audience")
	algorithm := form.Get("SigningAlgorithm")
	length, err := tokenLength(form.Get("DurationSeconds"))
	if err != nil {
		return nil, err
	}
	if len(audiences) < 1 || len(audiences) > mostAudiences {
		return nil, invalid("1 validation error detected: Value at 'audience' failed to satisfy constraint: Member must have length between 1 and %d", mostAudiences)
	}
	for _, a := range audiences {
		if n := utf8.RuneCountInString(a); n < 1 || n > longestAudience {
			return nil, invalid("1 validation error detected: Value at 'audience' failed to satisfy constraint: Member must have length between 1 and %d", longestAudience)
		}
	}
	if algorithm != "RS256" && algorithm != "ES384" {
		return nil, invalid("1 validation error detected: Value '%s' at 'signingAlgorithm' failed to satisfy constraint: Member must be RS256 or ES384", algorithm)
	}
	tags := tagsOf(form)
	if len(tags) > mostTags {
		return nil, invalid("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to %d", mostTags)
	}
	s.mu.Lock()
	on := s.federating[who.account]
	s.mu.Unlock()
	if !on {
		return nil, problem{"OutboundWebIdentityFederationDisabledException", "The outbound web identity federation feature is not enabled for this account.", http.StatusForbidden}
	}
	now := s.clock.Now()
	expires := now.Add(length)
	if !who.expires.IsZero() && expires.After(who.expires) {
		return nil, problem{"SessionDurationEscalationException", "The requested token duration would extend the session beyond its original expiration time.", http.StatusForbidden}
	}
	return webToken{WebIdentityToken: token(who, algorithm, audiences, tags, now, expires), Expiration: stamp(expires)}, nil
}

func tokenLength(asked string) (time.Duration, error) {
	if asked == "" {
		return standardToken, nil
	}
	seconds, err := strconv.Atoi(asked)
	length := time.Duration(seconds) * time.Second
	if err != nil || length < shortestToken || length > longestToken {
		return 0, invalid("1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between %d and %d", asked, int(shortestToken.Seconds()), int(longestToken.Seconds()))
	}
	return length, nil
}

// token is a JWT with the claims of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html: sub is the ARN of
// the role, not of the session. One audience is a string, as in the sample there; that several are a list is what
// RFC 7519 has, and not shown there.
func token(who caller, algorithm string, audiences []string, tags map[string]string, now, expires time.Time) string {
	own := map[string]any{"aws_account": who.account, "source_region": who.region}
	if who.source != "" {
		own["lambda_source_function_arn"] = who.source
	}
	if len(tags) > 0 {
		own["request_tags"] = tags
	}
	claims := map[string]any{
		"iss": Issuer(who.account), "sub": who.subject, "aud": any(audiences),
		"iat": now.Unix(), "exp": expires.Unix(), "jti": newUUID(),
		"https://sts.amazonaws.com/": own,
	}
	if len(audiences) == 1 {
		claims["aud"] = audiences[0]
	}
	header := map[string]any{"alg": algorithm, "typ": "JWT", "kid": "unsigned-by-emulator"}
	return encoded(header) + "." + encoded(claims) + "." + base64.RawURLEncoding.EncodeToString([]byte(unsigned))
}

func encoded(part map[string]any) string {
	text, err := json.Marshal(part)
	if err != nil { // strings and numbers always marshal
		panic("marshalling a token: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// members is a list of the Query protocol: name.member.1, name.member.2, …
func members(form url.Values, name string) []string {
	var all []string
	for i := 1; form.Has(name + ".member." + strconv.Itoa(i)); i++ {
		all = append(all, form.Get(name+".member."+strconv.Itoa(i)))
	}
	return all
}

func tagsOf(form url.Values) map[string]string {
	tags := map[string]string{}
	for i := 1; form.Has("Tags.member." + strconv.Itoa(i) + ".Key"); i++ {
		prefix := "Tags.member." + strconv.Itoa(i)
		tags[form.Get(prefix+".Key")] = form.Get(prefix + ".Value")
	}
	return tags
}
