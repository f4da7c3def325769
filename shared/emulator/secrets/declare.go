package secrets

import (
	"fmt"

	"rollcall/shared/emulator/service"
)

// Declare makes a secret without a value in process, as CloudFormation does for one that a person is to fill in, and
// gives its ARN, which ends in the given six characters: whoever must know it beforehand can. The error is the
// service's own refusal.
func (s *Service) Declare(account, region, name, description, suffix string) (arn string, err error) {
	in := createInput{Name: name, Description: description, ClientRequestToken: newUUID()}
	if _, err := s.create(service.Caller{Account: account, Region: region}, in); err != nil {
		return "", fmt.Errorf("declaring secret %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.secrets[address{account, region, name}]
	held.arn = held.arn[:len(held.arn)-len(newSuffix())] + suffix
	return held.arn, nil
}
