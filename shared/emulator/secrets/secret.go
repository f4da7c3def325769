package secrets

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"rollcall/shared/emulator/service"
)

// Staging labels that the service moves by itself.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html#term_version
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// secret is a secret with its versions. Its Service's lock guards it.
type secret struct {
	address
	arn         string
	description string
	kmsKey      string
	created     time.Time
	changed     time.Time
	deletion    time.Time // when its recovery window ends; zero: not scheduled
	versions    []*version
}

// version is one value. Its stages are sorted.
type version struct {
	id      string
	created time.Time
	value   sealed
	stages  []string
}

// sealed is a value that printing the structures around it does not show: fmt prints a function as an address.
type sealed struct {
	open func() (text *string, raw []byte)
}

func seal(text *string, raw []byte) sealed {
	return sealed{open: func() (*string, []byte) { return text, raw }}
}

func (v sealed) same(other sealed) bool {
	text, raw := v.open()
	otherText, otherRaw := other.open()
	if (text == nil) != (otherText == nil) {
		return false
	}
	return (text == nil || *text == *otherText) && bytes.Equal(raw, otherRaw)
}

// label gives the stages to a version and takes them from the others. AWSPREVIOUS goes to the version that
// AWSCURRENT was taken from.
func (s *secret) label(v *version, stages []string) {
	was := s.at(current)
	if slices.Contains(stages, current) && was != nil && was != v {
		s.take(previous)
		was.stages = append(was.stages, previous)
		slices.Sort(was.stages)
	}
	for _, stage := range stages {
		s.take(stage)
		v.stages = append(v.stages, stage)
	}
	slices.Sort(v.stages)
}

func (s *secret) take(stage string) {
	for _, v := range s.versions {
		v.stages = slices.DeleteFunc(v.stages, func(held string) bool { return held == stage })
	}
}

// at is the version with a stage, or nil; byID the one with an id.
func (s *secret) at(stage string) *version {
	for _, v := range s.versions {
		if slices.Contains(v.stages, stage) {
			return v
		}
	}
	return nil
}

func (s *secret) byID(id string) *version {
	for _, v := range s.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

var (
	validName  = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)
	fullSuffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
)

// find is the secret that id names, for a caller: a name, an ARN, or an ARN without the six characters at its end. A
// partial ARN that itself ends like a whole one is taken for whole, and not found.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
func (s *Service) find(who service.Caller, id string) (*secret, error) {
	if id == "" {
		return nil, invalid("1 validation error detected: Value at 'secretId' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	now := s.clock.Now()
	for a, held := range s.secrets {
		if !held.deletion.IsZero() && !held.deletion.After(now) {
			delete(s.secrets, a)
		}
	}
	missing := notFound("Secrets Manager can't find the specified secret.")
	if !strings.HasPrefix(id, "arn:") {
		if held := s.secrets[address{who.Account, who.Region, id}]; held != nil {
			return held, nil
		}
		return nil, missing
	}
	part := strings.SplitN(id, ":", 7)
	if len(part) != 7 || part[2] != "secretsmanager" || part[5] != "secret" {
		return nil, invalid("Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if part[4] != who.Account {
		return nil, problem{"AccessDeniedException", "The caller is not authorized to access " + id + " because no resource-based policy allows it.", http.StatusBadRequest}
	}
	if part[3] != who.Region {
		return nil, missing
	}
	for _, held := range s.secrets {
		if held.arn == id || (!fullSuffix.MatchString(id) && fullSuffix.ReplaceAllString(held.arn, "") == id) {
			return held, nil
		}
	}
	return nil, missing
}

// usable is find, of a secret that is not scheduled for deletion.
func (s *Service) usable(who service.Caller, id string) (*secret, error) {
	held, err := s.find(who, id)
	if err == nil && !held.deletion.IsZero() {
		return nil, badRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return held, err
}
