package secrets_test

import (
	"testing"

	"rollcall/shared/emulator/secrets"
)

func TestADeclaredSecretHasTheARNThatWasForetold(t *testing.T) {
	s := secrets.New(secrets.Options{})
	arn, err := s.Declare("111122223333", "eu-central-1", "graph", "the credential", "AB12CD")
	if err != nil || arn != "arn:aws:secretsmanager:eu-central-1:111122223333:secret:graph-AB12CD" {
		t.Fatalf("got %s, %v", arn, err)
	}
	if err := s.Put("111122223333", "eu-central-1", arn, "{}"); err != nil {
		t.Errorf("it is not found by that ARN: %v", err)
	}
	if _, err := s.Declare("111122223333", "eu-central-1", "graph", "", "AB12CD"); err == nil {
		t.Error("a name was declared twice")
	}
}
