package secrets_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/clock"
	"rollcall/shared/emulator/secrets"
	"rollcall/shared/emulator/service"
)

var _ service.Service = (*secrets.Service)(nil)

const (
	home   = "111122223333"
	region = "eu-central-1"
	name   = "rollcall/graph"
)

func open(t *testing.T) (*secrets.Service, *clock.Manual, *secretsmanager.Client) {
	t.Helper()
	now := clock.NewManual(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))
	s := secrets.New(secrets.Options{Clock: now, Account: home})
	return s, now, client(t, s)
}

func client(t *testing.T, h http.Handler) *secretsmanager.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: &server.URL, Region: region, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
	})
}

// refused checks that err is the service's refusal with that code and (part of its) message.
func refused(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("%s: %v, want %s %q", what, err, code, message)
	}
}

func value(t *testing.T, c *secretsmanager.Client, in secretsmanager.GetSecretValueInput) string {
	t.Helper()
	out, err := c.GetSecretValue(t.Context(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.SecretString)
}

func TestASecretIsFoundByNameAndARN(t *testing.T) {
	s, now, c := open(t)
	out, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(name), SecretString: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	arn := *out.ARN
	partial := "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rollcall/graph"
	if len(arn) != len(partial)+7 || !strings.HasPrefix(arn, partial+"-") {
		t.Errorf("the ARN is %s", arn)
	}
	for _, id := range []string{name, arn, partial} {
		got, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil {
			t.Errorf("by %s: %v", id, err)
			continue
		}
		if *got.SecretString != "one" || *got.Name != name || *got.ARN != arn || *got.VersionId != *out.VersionId ||
			!slices.Equal(got.VersionStages, []string{"AWSCURRENT"}) || !got.CreatedDate.Equal(now.Now()) {
			t.Errorf("by %s: %s %s %s %v %v", id, *got.Name, *got.ARN, *got.VersionId, got.VersionStages, got.CreatedDate)
		}
	}
	if _, err := s.Create("999988887777", region, "theirs", "two"); err != nil {
		t.Fatal(err)
	}
	for id, code := range map[string]string{
		"rollcall":       "ResourceNotFoundException",
		partial + "-not": "ResourceNotFoundException",
		arn + "x":        "ResourceNotFoundException",
		strings.Replace(arn, region, "us-west-2", 1): "ResourceNotFoundException",
		"theirs": "ResourceNotFoundException",
		"arn:aws:secretsmanager:eu-central-1:999988887777:secret:theirs": "AccessDeniedException",
		"arn:aws:s3:::bucket": "ValidationException",
	} {
		_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
		refused(t, "by "+id, err, code, "")
	}
}

// A partial ARN of a name that itself ends in a hyphen and six characters is taken for a whole one.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
func TestANameThatEndsLikeAnARNIsNotFoundByPartialARN(t *testing.T) {
	s, _, c := open(t)
	arn, err := s.Create(home, region, "rollcall-secret", "one")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn[:len(arn)-7])})
	refused(t, "by partial ARN", err, "ResourceNotFoundException", "can't find the specified secret.")
	if got := value(t, c, secretsmanager.GetSecretValueInput{SecretId: &arn}); got != "one" {
		t.Errorf("by whole ARN: %q", got)
	}
}

func TestVersionsMoveTheirLabels(t *testing.T) {
	s, _, c := open(t)
	if _, err := s.Create(home, region, name, "one"); err != nil {
		t.Fatal(err)
	}
	by := func(stage string) (string, error) {
		out, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(name), VersionStage: &stage})
		if err != nil {
			return "", err
		}
		return *out.SecretString, nil
	}
	_, err := by("AWSPREVIOUS")
	refused(t, "before the second version", err, "ResourceNotFoundException", "can't find the specified secret value for staging label: AWSPREVIOUS")
	pending, err := c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(name), SecretString: aws.String("tried"), VersionStages: []string{"AWSPENDING"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, next := range []string{"two", "three"} {
		if err := s.Put(home, region, name, next); err != nil {
			t.Fatal(err)
		}
	}
	for stage, want := range map[string]string{"AWSCURRENT": "three", "AWSPREVIOUS": "two", "AWSPENDING": "tried"} {
		if got, err := by(stage); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", stage, got, err, want)
		}
	}
	if got := value(t, c, secretsmanager.GetSecretValueInput{SecretId: aws.String(name), VersionId: pending.VersionId, VersionStage: aws.String("AWSPENDING")}); got != "tried" {
		t.Errorf("by id and stage: %q", got)
	}
	_, err = c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(name), VersionId: pending.VersionId, VersionStage: aws.String("AWSCURRENT")})
	refused(t, "an id and another's stage", err, "InvalidRequestException", "VersionStage that is not associated")
	_, err = c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(name), VersionId: aws.String(strings.Repeat("0", 32))})
	refused(t, "no such version", err, "ResourceNotFoundException", "for VersionId: ")

	about, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(name)})
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, stages := range about.VersionIdsToStages {
		labels = append(labels, stages...)
	}
	slices.Sort(labels)
	if diff := cmp.Diff([]string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"}, labels); diff != "" || len(about.VersionIdsToStages) != 3 {
		t.Errorf("described labels (-want +got):\n%s", diff)
	}
}

func TestARepeatWithItsTokenChangesNothing(t *testing.T) {
	s, _, c := open(t)
	if _, err := s.Create(home, region, name, "one"); err != nil {
		t.Fatal(err)
	}
	token := strings.Repeat("7", 32)
	put := func(text string) (*secretsmanager.PutSecretValueOutput, error) {
		return c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(name), SecretString: &text, ClientRequestToken: &token})
	}
	for range 2 {
		out, err := put("two")
		if err != nil || *out.VersionId != token {
			t.Fatalf("%v, %v", out, err)
		}
	}
	_, err := put("three")
	refused(t, "another value with the token", err, "ResourceExistsException", "")
	if got := value(t, c, secretsmanager.GetSecretValueInput{SecretId: aws.String(name), VersionStage: aws.String("AWSPREVIOUS")}); got != "one" {
		t.Errorf("the previous value is %q: the repeat made a version", got)
	}
}

func TestADeletedSecretWaitsOutItsWindow(t *testing.T) {
	s, now, c := open(t)
	if _, err := s.Create(home, region, name, "one"); err != nil {
		t.Fatal(err)
	}
	remove := func(in secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
		in.SecretId = aws.String(name)
		return c.DeleteSecret(t.Context(), &in)
	}
	_, err := remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(6)})
	refused(t, "a window of six days", err, "InvalidParameterException", "between 7 and 30")
	_, err = remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)})
	refused(t, "a window and force", err, "InvalidParameterException", "ForceDeleteWithoutRecovery")

	out, err := remove(secretsmanager.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7)})
	if err != nil {
		t.Fatal(err)
	}
	end := now.Now().AddDate(0, 0, 7)
	if !out.DeletionDate.Equal(end) {
		t.Errorf("it is deleted on %v, want %v", out.DeletionDate, end)
	}
	_, err = c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
	refused(t, "reading it", err, "InvalidRequestException", "marked for deletion")
	refused(t, "changing it", putBy(t, c), "InvalidRequestException", "marked for deletion")
	_, err = c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(name), SecretString: aws.String("two")})
	refused(t, "creating it again", err, "InvalidRequestException", "already scheduled for deletion")
	_, err = remove(secretsmanager.DeleteSecretInput{})
	refused(t, "deleting it again", err, "InvalidRequestException", "already scheduled for deletion")
	about, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(name)})
	if err != nil || about.DeletedDate == nil || !about.DeletedDate.Equal(end) {
		t.Errorf("described as %+v, %v", about, err)
	}

	if _, err := c.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
	if got := value(t, c, secretsmanager.GetSecretValueInput{SecretId: aws.String(name)}); got != "one" {
		t.Errorf("restored as %q", got)
	}
	if _, err := remove(secretsmanager.DeleteSecretInput{}); err != nil {
		t.Fatal(err)
	}
	now.Advance(30 * 24 * time.Hour)
	_, err = c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
	refused(t, "after 30 days", err, "ResourceNotFoundException", "")
	if _, err := s.Create(home, region, name, "anew"); err != nil {
		t.Errorf("creating it anew: %v", err)
	}
	for range 2 { // the second time there is nothing
		if _, err := remove(secretsmanager.DeleteSecretInput{ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
			t.Errorf("by force: %v", err)
		}
	}
	_, err = c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(name)})
	refused(t, "after force", err, "ResourceNotFoundException", "")
}

func putBy(t *testing.T, c *secretsmanager.Client) error {
	t.Helper()
	_, err := c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(name), SecretString: aws.String("two")})
	return err
}

func TestWhatIsNoSecretIsRefused(t *testing.T) {
	s, _, c := open(t)
	if _, err := s.Create(home, region, name, "one"); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		what, code string
		in         secretsmanager.CreateSecretInput
	}{
		{"a name with a space", "ValidationException", secretsmanager.CreateSecretInput{Name: aws.String("a b"), SecretString: aws.String("x")}},
		{"a name that is taken", "ResourceExistsException", secretsmanager.CreateSecretInput{Name: aws.String(name), SecretString: aws.String("x")}},
		{"text and bytes", "InvalidParameterException", secretsmanager.CreateSecretInput{Name: aws.String("new"), SecretString: aws.String("x"), SecretBinary: []byte("x")}},
		{"a value of 64 KiB and a byte", "ValidationException", secretsmanager.CreateSecretInput{Name: aws.String("new"), SecretString: aws.String(strings.Repeat("x", 65537))}},
		{"a short token", "InvalidParameterException", secretsmanager.CreateSecretInput{Name: aws.String("new"), SecretString: aws.String("x"), ClientRequestToken: aws.String("short")}},
	} {
		_, err := c.CreateSecret(t.Context(), &w.in)
		refused(t, w.what, err, w.code, "")
	}
	_, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("new")})
	refused(t, "what was refused", err, "ResourceNotFoundException", "")

	if _, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("empty")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("empty")})
	refused(t, "a secret without a value", err, "ResourceNotFoundException", "staging label: AWSCURRENT")
}

func TestBytesComeBackAsBytes(t *testing.T) {
	_, _, c := open(t)
	if _, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("raw"), SecretBinary: []byte{0, 1, 0xff}}); err != nil {
		t.Fatal(err)
	}
	out, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("raw")})
	if err != nil || !slices.Equal(out.SecretBinary, []byte{0, 1, 0xff}) || out.SecretString != nil {
		t.Errorf("%v, %v", out, err)
	}
}

// A value shows in no dump of the structures, in no refusal and in no line of the log.
func TestAValueIsNeverTold(t *testing.T) {
	const hidden = "correct-horse-battery-staple"
	s, _, c := open(t)
	if _, err := s.Create(home, region, name, hidden); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		told = append(told, fmt.Sprintf(verb, s))
	}
	_, err := s.Create(home, region, name, hidden)
	told = append(told, fmt.Sprint(err))
	_, err = c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("a b"), SecretString: aws.String(hidden)})
	told = append(told, fmt.Sprint(err))
	_, err = c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String(name), SecretString: aws.String(hidden), ClientRequestToken: aws.String("short")})
	told = append(told, fmt.Sprint(err))
	body := `{"SecretId":"` + name + `","SecretString":"` + hidden + `"}`
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "secretsmanager.PutSecretValue")
	operation, resource := s.Operation(r, []byte(body))
	if operation != "PutSecretValue" || resource != name {
		t.Errorf("the line of the log is %q, %q", operation, resource)
	}
	told = append(told, operation+resource)
	broken := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"SecretId":{"`+hidden+`":1}}`))
	broken.Header.Set("X-Amz-Target", "secretsmanager.PutSecretValue")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, broken)
	told = append(told, answer.Body.String())
	for _, text := range told {
		if strings.Contains(text, hidden) {
			t.Errorf("the value is in %q", text)
		}
	}
}

func TestRefusalsAreTheServicesOwn(t *testing.T) {
	for why, code := range map[service.Refusal]string{
		service.Throttle: "ThrottlingException", service.Unavailable: "ServiceUnavailableException",
		service.ServerError: "InternalServiceError", service.Deny: "AccessDeniedException",
	} {
		s := secrets.New(secrets.Options{})
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Refuse(w, r, why) }))
		_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
		refused(t, string(why), err, code, "")
	}
}
