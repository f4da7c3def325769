package sts

import (
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Limits of AssumeRole.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	shortestSession = 15 * time.Minute
	standardSession = time.Hour
	longestSession  = 12 * time.Hour
	longestChained  = time.Hour // of a role that was assumed by a session

	longestExternalID = 1224 // characters
)

type identity struct {
	Arn     string
	UserId  string
	Account string
}

type credentials struct {
	AccessKeyId     string
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type assumed struct {
	AssumedRoleUser struct {
		AssumedRoleId string
		Arn           string
	}
	Credentials credentials
}

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`) // and at most longestExternalID: a pattern counts to 1000
)

// assumeRole gives out a temporary key for a role that trusts the caller.
func (s *Service) assumeRole(who caller, form url.Values) (any, error) {
	arn, name := form.Get("RoleArn"), form.Get("RoleSessionName")
	account, _, err := splitRole(arn)
	if err != nil {
		return nil, invalid("%s is invalid", arn)
	}
	if !sessionName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]* and have a length of 2 to 64", name)
	}
	if id := form.Get("ExternalId"); form.Has("ExternalId") && (!externalID.MatchString(id) || len(id) > longestExternalID) {
		return nil, invalid("1 validation error detected: Value at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]* and have a length of 2 to 1224")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	role, ok := s.roles[arn]
	if !ok || !role.trusts(who) || (role.ExternalID != "" && form.Get("ExternalId") != role.ExternalID) {
		return nil, problem{"AccessDenied", "User: " + who.arn + " is not authorized to perform: sts:AssumeRole on resource: " + arn, http.StatusForbidden}
	}
	length, err := role.length(who, form.Get("DurationSeconds"))
	if err != nil {
		return nil, err
	}
	held := session{role: arn, name: name, expires: s.clock.Now().Add(length)}
	key := "ASIA" + randomText(16)
	s.sessions[key] = held
	if s.options.Register != nil {
		s.options.Register(key, account, who.name)
	}
	var out assumed
	out.AssumedRoleUser.Arn = who.as(arn, name).arn
	out.AssumedRoleUser.AssumedRoleId = idOf("AROA", arn) + ":" + name
	out.Credentials = credentials{AccessKeyId: key, SecretAccessKey: randomText(40), SessionToken: "emulated-" + randomText(100), Expiration: stamp(held.expires)}
	return out, nil
}

func (r Role) trusts(who caller) bool {
	return len(r.Trusts) == 0 || slices.Contains(r.Trusts, who.account) || slices.Contains(r.Trusts, who.subject)
}

// length is how long a session lasts: an hour where nothing is asked.
func (r Role) length(who caller, asked string) (time.Duration, error) {
	if asked == "" {
		return standardSession, nil
	}
	seconds, err := strconv.Atoi(asked)
	length := time.Duration(seconds) * time.Second
	switch {
	case err != nil || length < shortestSession || length > longestSession:
		return 0, invalid("1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200", asked)
	case who.chained && length > longestChained:
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case length > max(r.MaxSession, standardSession):
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return length, nil
}

// idOf is a unique id as IAM gives it (AROA… of a role, AIDA… of a user), always the same for an ARN.
func idOf(prefix, arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
