package secrets

import (
	"fmt"
	"slices"
	"time"

	"rollcall/shared/emulator/service"
)

// Limits.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
const (
	largest        = 65536 // bytes
	mostStages     = 20
	shortestWindow = 7 // days
	longestWindow  = 30
)

type createInput struct {
	Name               string
	ClientRequestToken string
	Description        string
	KmsKeyId           string
	SecretString       *string
	SecretBinary       []byte
}

type namedOutput struct {
	ARN           string
	Name          string
	VersionId     string   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
}

// create makes a secret, with a first version where a value is given.
func (s *Service) create(who service.Caller, in createInput) (namedOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !validName.MatchString(in.Name) {
		return namedOutput{}, invalid("Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	valued := in.SecretString != nil || in.SecretBinary != nil
	if valued {
		if err := checkValue(in.SecretString, in.SecretBinary, in.ClientRequestToken); err != nil {
			return namedOutput{}, err
		}
	}
	if held, err := s.find(who, in.Name); err == nil {
		return held.createdAgain(in)
	}
	now := s.clock.Now()
	a := address{who.Account, who.Region, in.Name}
	held := &secret{
		address: a, description: in.Description, kmsKey: in.KmsKeyId, created: now, changed: now,
		arn: fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-%s", a.region, a.account, a.name, newSuffix()),
	}
	s.secrets[a] = held
	out := namedOutput{ARN: held.arn, Name: held.name}
	if valued {
		out.VersionId = held.add(in.ClientRequestToken, seal(in.SecretString, in.SecretBinary), nil, now).id
	}
	return out, nil
}

// createdAgain is what a name that is there gives: the same secret where the request is a repeat, else a refusal.
func (s *secret) createdAgain(in createInput) (namedOutput, error) {
	if !s.deletion.IsZero() {
		return namedOutput{}, badRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v := s.byID(in.ClientRequestToken); v != nil && v.value.same(seal(in.SecretString, in.SecretBinary)) {
		return namedOutput{ARN: s.arn, Name: s.name, VersionId: v.id}, nil
	}
	return namedOutput{}, exists("The operation failed because the secret " + s.name + " already exists.")
}

// checkValue refuses a value that is none or too large, and a token that cannot be a version's id. It tells none.
func checkValue(text *string, raw []byte, token string) error {
	switch {
	case text != nil && raw != nil:
		return badParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text == nil && raw == nil:
		return badRequest("You must provide either SecretString or SecretBinary.")
	case text != nil && (len(*text) < 1 || len(*text) > largest), raw != nil && (len(raw) < 1 || len(raw) > largest):
		return invalid(fmt.Sprintf("1 validation error detected: the secret value must have length between 1 and %d", largest))
	case token == "":
		return badRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	case len(token) < 32 || len(token) > 64:
		return badParameter("ClientRequestToken must be 32-64 characters long.")
	}
	return nil
}

// add puts a version; without stages it becomes the current one, and so does the first.
func (s *secret) add(id string, value sealed, stages []string, now time.Time) *version {
	v := &version{id: id, created: now, value: value}
	if len(stages) == 0 {
		stages = []string{current}
	}
	if len(s.versions) == 0 && !slices.Contains(stages, current) {
		stages = append(slices.Clone(stages), current)
	}
	s.versions = append(s.versions, v)
	s.label(v, stages)
	s.changed = now
	return v
}

type putInput struct {
	SecretId           string
	ClientRequestToken string
	SecretString       *string
	SecretBinary       []byte
	VersionStages      []string
}

// put adds a version; a repeat with the same token and value changes nothing.
func (s *Service) put(who service.Caller, in putInput) (namedOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, err := s.usable(who, in.SecretId)
	if err != nil {
		return namedOutput{}, err
	}
	if err := checkValue(in.SecretString, in.SecretBinary, in.ClientRequestToken); err != nil {
		return namedOutput{}, err
	}
	if len(in.VersionStages) > mostStages {
		return namedOutput{}, invalid(fmt.Sprintf("1 validation error detected: Value at 'versionStages' failed to satisfy constraint: Member must have length less than or equal to %d", mostStages))
	}
	value := seal(in.SecretString, in.SecretBinary)
	v := held.byID(in.ClientRequestToken)
	if v != nil && !v.value.same(value) {
		return namedOutput{}, exists("You can't use ClientRequestToken " + in.ClientRequestToken + " because that value is already in use for a version of secret " + held.arn + ".")
	}
	if v == nil {
		v = held.add(in.ClientRequestToken, value, in.VersionStages, s.clock.Now())
	}
	return namedOutput{ARN: held.arn, Name: held.name, VersionId: v.id, VersionStages: slices.Clone(v.stages)}, nil
}

type getInput struct {
	SecretId     string
	VersionId    string
	VersionStage string
}

type getOutput struct {
	ARN           string
	Name          string
	VersionId     string
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   epoch
}

// get gives the value of a version: by id, by stage, by both where they agree, else the current one.
func (s *Service) get(who service.Caller, in getInput) (getOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, err := s.usable(who, in.SecretId)
	if err != nil {
		return getOutput{}, err
	}
	v, err := held.pick(in.VersionId, in.VersionStage)
	if err != nil {
		return getOutput{}, err
	}
	out := getOutput{ARN: held.arn, Name: held.name, VersionId: v.id, VersionStages: slices.Clone(v.stages), CreatedDate: epoch(v.created)}
	out.SecretString, out.SecretBinary = v.value.open()
	return out, nil
}

func (s *secret) pick(id, stage string) (*version, error) {
	if id == "" {
		if stage == "" {
			stage = current
		}
		if v := s.at(stage); v != nil {
			return v, nil
		}
		return nil, notFound("Secrets Manager can't find the specified secret value for staging label: " + stage)
	}
	v := s.byID(id)
	if v == nil {
		return nil, notFound("Secrets Manager can't find the specified secret value for VersionId: " + id)
	}
	if stage != "" && !slices.Contains(v.stages, stage) {
		return nil, badRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

type idInput struct{ SecretId string }

type describeOutput struct {
	ARN                string
	Name               string
	Description        string `json:",omitempty"`
	KmsKeyId           string `json:",omitempty"`
	CreatedDate        epoch
	LastChangedDate    epoch
	DeletedDate        *epoch              `json:",omitempty"`
	VersionIdsToStages map[string][]string `json:",omitempty"`
}

// describe tells of a secret, also of one that is scheduled for deletion, and never its value.
func (s *Service) describe(who service.Caller, in idInput) (describeOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, err := s.find(who, in.SecretId)
	if err != nil {
		return describeOutput{}, err
	}
	out := describeOutput{
		ARN: held.arn, Name: held.name, Description: held.description, KmsKeyId: held.kmsKey,
		CreatedDate: epoch(held.created), LastChangedDate: epoch(held.changed), VersionIdsToStages: map[string][]string{},
	}
	if !held.deletion.IsZero() {
		deleted := epoch(held.deletion)
		out.DeletedDate = &deleted
	}
	for _, v := range held.versions {
		if len(v.stages) > 0 { // a version without a label is deprecated, and not shown
			out.VersionIdsToStages[v.id] = slices.Clone(v.stages)
		}
	}
	return out, nil
}

type deleteInput struct {
	SecretId                   string
	RecoveryWindowInDays       *int64
	ForceDeleteWithoutRecovery bool
}

type deleteOutput struct {
	ARN          string
	Name         string
	DeletionDate epoch
}

// delete schedules a deletion, or does it at once where it is forced; a forced one of a secret that is not there is
// no error.
func (s *Service) delete(who service.Caller, in deleteInput) (deleteOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	days := int64(longestWindow)
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return deleteOutput{}, badParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	if days < shortestWindow || days > longestWindow {
		return deleteOutput{}, badParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	now := s.clock.Now()
	held, err := s.find(who, in.SecretId)
	if in.ForceDeleteWithoutRecovery {
		if err != nil {
			return deleteOutput{ARN: in.SecretId, Name: in.SecretId, DeletionDate: epoch(now)}, nil
		}
		delete(s.secrets, held.address)
		return deleteOutput{ARN: held.arn, Name: held.name, DeletionDate: epoch(now)}, nil
	}
	if err != nil {
		return deleteOutput{}, err
	}
	if !held.deletion.IsZero() {
		return deleteOutput{}, badRequest("You can't perform this operation on the secret because it was already scheduled for deletion.")
	}
	held.deletion = now.AddDate(0, 0, int(days))
	return deleteOutput{ARN: held.arn, Name: held.name, DeletionDate: epoch(held.deletion)}, nil
}

// restore takes a scheduled deletion back; of a secret that is not scheduled it does nothing.
func (s *Service) restore(who service.Caller, in idInput) (namedOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, err := s.find(who, in.SecretId)
	if err != nil {
		return namedOutput{}, err
	}
	held.deletion = time.Time{}
	return namedOutput{ARN: held.arn, Name: held.name}, nil
}
