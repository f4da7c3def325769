// Package sts is AWS STS on one machine, as far as rollcall asks it: roles in other accounts (AssumeRole), who one is
// (GetCallerIdentity), and the token with which the planner signs in to Entra without a secret (GetWebIdentityToken).
//
// It exists so that the worker's lanes in other accounts, and the keyless way into Graph, run the code that ships.
// It speaks the Query protocol and XML to the real SDK.
//
// It refuses what STS refuses: a role that does not exist, does not trust the caller or wants another external id is
// AccessDenied without saying which, as in AWS. It does not check the caller's own IAM policies. Its web identity
// tokens are well-formed and not signed, and say so in their header and signature: no real service takes them. It has
// no global endpoint, session policies, MFA, source identity, nor a limit on the size of a token.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
package sts

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/service"
)

// Options say when and where.
type Options struct {
	// Clock is the time of sessions and tokens; nil is clock.System.
	Clock clock.Clock
	// Account and Region are those of a caller that came through no gateway. Empty: 000000000000, us-east-1.
	Account string
	Region  string
	// Register is told of every temporary key that AssumeRole gives out, before the caller has it: the key, the
	// account of the role, and the name of the caller who asked. Nil: nobody is told.
	Register func(key, account, name string)
}

// Role is an IAM role that may be assumed.
type Role struct {
	// ARN is "arn:aws:iam::123456789012:role/name", perhaps with a path.
	ARN string
	// Trusts are who may assume it: accounts (12 digits) or role ARNs. Empty: any caller.
	Trusts []string
	// ExternalID must be given by the caller where it is set.
	ExternalID string
	// MaxSession is the longest session; zero is an hour.
	MaxSession time.Duration
}

// Principal is what a caller runs as.
type Principal struct {
	Role     string // ARN of its execution role
	Function string // ARN of the Lambda function, or empty
}

// Service is an emulated AWS STS. Use New. It is safe for concurrent use.
type Service struct {
	options Options
	clock   clock.Clock

	mu         sync.Mutex
	roles      map[string]Role
	principals map[string]Principal // by the caller's name
	sessions   map[string]session   // by access key id
	federating map[string]bool      // accounts with outbound web identity federation
}

// session is what a temporary key stands for.
type session struct {
	role    string
	name    string
	expires time.Time
}

// New is a service without roles, with outbound web identity federation off in every account (as in AWS).
func New(options Options) *Service {
	if options.Clock == nil {
		options.Clock = clock.System{}
	}
	if options.Account == "" {
		options.Account = "000000000000"
	}
	if options.Region == "" {
		options.Region = "us-east-1"
	}
	return &Service{
		options: options, clock: options.Clock,
		roles: map[string]Role{}, principals: map[string]Principal{}, sessions: map[string]session{}, federating: map[string]bool{},
	}
}

// AddRole makes a role, or changes it. The error is an ARN that is none of a role.
func (s *Service) AddRole(role Role) error {
	if _, _, err := splitRole(role.ARN); err != nil {
		return fmt.Errorf("adding role %q: %w", role.ARN, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[role.ARN] = role
	return nil
}

// RunAs says what a caller runs as, by its name in the log ("worker"). The error is an ARN that is none of a role.
func (s *Service) RunAs(caller string, principal Principal) error {
	if _, _, err := splitRole(principal.Role); err != nil {
		return fmt.Errorf("letting %s run as %q: %w", caller, principal.Role, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.principals[caller] = principal
	return nil
}

// Name is the service as AWS signs for it.
func (*Service) Name() string { return "sts" }

// Operation is the call's name, and the role that it is about.
func (*Service) Operation(_ *http.Request, body []byte) (operation, resource string) {
	form, err := url.ParseQuery(string(body))
	if err != nil { // ServeHTTP refuses it
		return "", ""
	}
	return form.Get("Action"), form.Get("RoleArn")
}

// Refuse answers as STS does when it refuses in that way. A broken connection is an abort of the handler.
func (*Service) Refuse(w http.ResponseWriter, _ *http.Request, why service.Refusal) {
	switch why {
	case service.Throttle:
		writeProblem(w, problem{"Throttling", "Rate exceeded", http.StatusBadRequest})
	case service.Unavailable:
		writeProblem(w, problem{"ServiceUnavailable", "The request has failed due to a temporary failure of the server.", http.StatusServiceUnavailable})
	case service.Deny:
		writeProblem(w, problem{"AccessDenied", "The caller is not authorized to perform this operation.", http.StatusForbidden})
	case service.DropAnswer, service.DropCall:
		panic(http.ErrAbortHandler)
	default:
		writeProblem(w, problem{"InternalFailure", "The request processing has failed because of an unknown error.", http.StatusInternalServerError})
	}
}

// ServeHTTP answers one call of the Query protocol.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeProblem(w, invalid("The request was cut short."))
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		writeProblem(w, problem{"MalformedQueryString", "The query string contains a syntax error.", http.StatusBadRequest})
		return
	}
	who, err := s.callerOf(r)
	var result any
	if err == nil {
		result, err = s.answer(who, form)
	}
	var refused problem
	switch {
	case errors.As(err, &refused):
		writeProblem(w, refused)
	case err != nil:
		writeProblem(w, problem{"InternalFailure", err.Error(), http.StatusInternalServerError})
	default:
		writeAnswer(w, form.Get("Action"), result)
	}
}

func (s *Service) answer(who caller, form url.Values) (any, error) {
	switch action := form.Get("Action"); action {
	case "AssumeRole":
		return s.assumeRole(who, form)
	case "GetCallerIdentity":
		return identity{Arn: who.arn, UserId: who.userID, Account: who.account}, nil
	case "GetWebIdentityToken":
		return s.webIdentityToken(who, form)
	default:
		return nil, problem{"InvalidAction", "Could not find operation " + action + " for version 2011-06-15", http.StatusBadRequest}
	}
}

// caller is who asks, as IAM knows it.
type caller struct {
	name    string
	account string
	region  string
	arn     string // of the session, or of the user
	subject string // ARN of the role, or of the user
	userID  string
	source  string // ARN of the function, or empty
	chained bool   // a session already: what it assumes lasts an hour at most
	expires time.Time
}

// callerOf is who signed the request: a session of ours, a function that runs as a role, or a user of that name.
// The error is a session that has expired.
func (s *Service) callerOf(r *http.Request) (caller, error) {
	who := service.CallerOf(r.Context())
	if key, region, _, ok := service.ParseScope(r.Header.Get("Authorization")); ok && who.Key == "" {
		who.Key, who.Region = key, region
	}
	c := caller{name: firstOf(who.Name, who.Key, "anonymous"), account: firstOf(who.Account, s.options.Account), region: firstOf(who.Region, s.options.Region)}
	s.mu.Lock()
	defer s.mu.Unlock()
	held, temporary := s.sessions[who.Key]
	principal, runs := s.principals[who.Name]
	switch {
	case temporary && !held.expires.After(s.clock.Now()):
		return c, problem{"ExpiredToken", "The security token included in the request is expired", http.StatusForbidden}
	case temporary:
		c.expires = held.expires
		return c.as(held.role, held.name), nil
	case runs:
		c.source = principal.Function
		return c.as(principal.Role, c.name), nil
	}
	c.arn = "arn:aws:iam::" + c.account + ":user/" + c.name
	c.subject, c.userID = c.arn, idOf("AIDA", c.arn)
	return c, nil
}

// as is the caller in a session of a role.
func (c caller) as(role, session string) caller {
	account, path, err := splitRole(role)
	if err != nil { // AddRole and RunAs let no other in
		panic("sts: " + err.Error())
	}
	name := path[strings.LastIndex(path, "/")+1:]
	c.account, c.chained, c.subject = account, true, role
	c.arn = "arn:aws:sts::" + account + ":assumed-role/" + name + "/" + session
	c.userID = idOf("AROA", role) + ":" + session
	return c
}

// splitRole reads a role's ARN; path is the name with the path before it.
func splitRole(arn string) (account, path string, err error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] == "" || part[2] != "iam" || len(part[4]) != 12 {
		return "", "", errors.New("is no ARN of IAM")
	}
	path, ok := strings.CutPrefix(part[5], "role/")
	if !ok || path == "" || strings.HasSuffix(path, "/") {
		return "", "", errors.New("is no role")
	}
	return part[4], path, nil
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// problem is a refusal in the service's own words.
type problem struct {
	code    string
	message string
	status  int
}

// Error is the code and the message.
func (p problem) Error() string { return p.code + ": " + p.message }

func invalid(format string, args ...any) problem {
	return problem{"ValidationError", fmt.Sprintf(format, args...), http.StatusBadRequest}
}

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

func writeProblem(w http.ResponseWriter, p problem) {
	type fault struct{ Type, Code, Message string }
	kind := "Sender"
	if p.status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	write(w, p.status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr"`
		Error     fault
		RequestId string
	}{Namespace: namespace, Error: fault{kind, p.code, p.message}, RequestId: newUUID()})
}

// writeAnswer wraps a result as the Query protocol does: <XResponse><XResult>…</XResult><ResponseMetadata>….
func writeAnswer(w http.ResponseWriter, action string, result any) {
	type metadata struct{ RequestId string }
	write(w, http.StatusOK, wrapped{action, result, metadata{newUUID()}})
}

type wrapped struct {
	action           string
	result, metadata any
}

// MarshalXML names the elements after the action.
func (a wrapped) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	outer := xml.StartElement{Name: xml.Name{Space: namespace, Local: a.action + "Response"}}
	return errors.Join(
		e.EncodeToken(outer),
		e.EncodeElement(a.result, xml.StartElement{Name: xml.Name{Local: a.action + "Result"}}),
		e.EncodeElement(a.metadata, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}}),
		e.EncodeToken(outer.End()),
	)
}

func write(w http.ResponseWriter, status int, body any) {
	text, err := xml.Marshal(body)
	if err != nil { // every answer is made of strings
		panic("marshalling an answer of sts: " + err.Error())
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // a caller that has gone away cannot be told
}

func randomText(letters int) string {
	b := make([]byte, letters)
	_, _ = rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	return base32.StdEncoding.EncodeToString(b)[:letters]
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
