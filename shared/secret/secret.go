// Package secret reads the credential with which rollcall signs in to Microsoft Graph. It is the only package that
// speaks to AWS Secrets Manager.
//
// The secret is a JSON object that an administrator wrote:
//
//	{
//	  "tenantId":     "0a5b7c1e-…",          Directory (tenant) ID, or a domain of the tenant
//	  "clientId":     "1b6c8d2f-…",          Application (client) ID
//	  "clientSecret": "…",                   the Value of a client secret; left out: keyless sign-in
//	  "expiresOn":    "2027-11-23",          optional: when that client secret ends, for the warning ahead
//	  "enabled":      true,                  optional: false switches Microsoft Graph off
//	  "cloud":        "global"               optional: usgov, usgovdod, china
//	}
//
// Package secret exists so that a mistake in it is told in one clear sentence: which field, what is expected, what to
// do. It refuses to be lenient: a misspelt "enabled" must not switch anything on. It refuses to repeat what it read:
// no error holds the document or a value of it, because what an administrator pasted into the wrong field may be the
// client secret. And what it gives does not print: it is a redact.Secret.
//
// # Rotation
//
// Each call reads the version that is AWSCURRENT at that time, and nothing is kept in between; the planner calls once
// for each tick. An app registration may have two client secrets at once, so there is no moment without a good one:
// make a second client secret in Entra, store it here, and delete the first one in Entra a day later. Until it is
// deleted both are good, whichever of them a tick that is under way has read.
//
// AWSPREVIOUS is not read. It would cover up a new secret that was pasted wrongly, until the old one ends and sign-in
// fails when nobody is looking; it would go on using a client secret that was replaced because it had leaked; and a
// tick that cannot sign in does no harm, the next one reads again. To go back, put the label AWSCURRENT on the former
// version in Secrets Manager.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
//
// # Limits
//
// One call of GetSecretValue for each tick. A secret has at most 65,536 bytes.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
package secret

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"rollcall/shared/awsfault"
	"rollcall/shared/config"
	"rollcall/shared/fault"
)

// Store reads from AWS Secrets Manager. Use NewStore; it is safe for concurrent use and keeps nothing.
type Store struct{ client *secretsmanager.Client }

// NewStore reads with that client.
func NewStore(client *secretsmanager.Client) *Store { return &Store{client: client} }

// Graph reads the credential for Microsoft Graph from the secret with that name or ARN, as it is now. A credential
// that is switched off is returned, with Enabled false.
//
// Errors: fault.NotFound where there is no such secret; fault.Misconfigured where it is marked for deletion, has no
// text, or the text is wrong (every complaint at once); fault.Denied with the permission that is missing;
// fault.Throttled and fault.Unavailable, which pass.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
func (s *Store) Graph(ctx context.Context, id string) (Credential, error) {
	doing := fmt.Sprintf("reading the Graph credential from secret %s", id)
	if id == "" {
		return Credential{}, fault.New(fault.Misconfigured, doing+": no secret is named: set "+config.GraphSecret)
	}
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
	if err != nil {
		return Credential{}, fail(err, doing, id)
	}
	if out.SecretString == nil {
		return Credential{}, fault.New(fault.Misconfigured, doing+": it is binary: store it as text, "+example)
	}
	c, err := decode([]byte(*out.SecretString))
	if err != nil {
		e := fault.Wrap(fault.Misconfigured, err, doing)
		e.Advice = "Edit the secret in AWS Secrets Manager (Retrieve secret value, Edit, Plaintext); the next run reads it again"
		return Credential{}, e
	}
	return c, nil
}

// kindOfCode says what an error code of Secrets Manager means; Unknown for one that is not here.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
func kindOfCode(code string) fault.Kind {
	switch code {
	case "ResourceNotFoundException":
		return fault.NotFound
	case "InvalidRequestException", "InvalidParameterException", "ValidationException", "ValidationError":
		return fault.Misconfigured
	case "ThrottlingException", "Throttling", "LimitExceededException", "RequestLimitExceeded":
		return fault.Throttled
	case "InternalServiceError", "InternalServiceErrorException", "InternalFailure", "ServiceUnavailable",
		"ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException":
		return fault.Unavailable
	case "AccessDeniedException", "AccessDenied", "DecryptionFailure", "NotAuthorized", "OptInRequired",
		"UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "InvalidSignatureException",
		"IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return fault.Denied
	default:
		return fault.Unknown
	}
}

// fail classifies an error of the SDK. It keeps the service's words, or what broke the way to it, and no other part of
// the chain: the SDK's error for an answer that it cannot read may hold some of that answer, which is the secret.
func fail(err error, doing, id string) error {
	failure := awsfault.Read(err)
	e := fault.New(fault.Unknown, doing)
	if failure.Refusal != nil {
		e = fault.Wrap(kindOfCode(failure.Code()), errors.New(failure.Refusal.ErrorMessage()), doing)
	} else if failure.Lost != nil {
		e = fault.Wrap(fault.Unknown, failure.Lost, doing)
	}
	e.Code, e.RequestID = failure.Code(), failure.RequestID
	if e.Kind == fault.Unknown && failure.Down() {
		e.Kind = fault.Unavailable
	}
	e.Advice = advice(e.Kind, e.Code, id)
	return e
}

func advice(kind fault.Kind, code, id string) string {
	switch {
	case code == "DecryptionFailure":
		return fmt.Sprintf("Allow kms:Decrypt on the key of secret %s to the planner's role, and see that the key is enabled", id)
	case kind == fault.Denied:
		return fmt.Sprintf("Allow secretsmanager:GetSecretValue on secret %s to the planner's role, and kms:Decrypt on its key if it has one", id)
	case kind == fault.NotFound:
		return fmt.Sprintf("There is no such secret, or none with a value, in this account and Region: create it, or set %s to its name or ARN", config.GraphSecret)
	case kind == fault.Misconfigured:
		return fmt.Sprintf("Look at it in AWS Secrets Manager (it may be marked for deletion), or set %s to another", config.GraphSecret)
	default:
		return ""
	}
}
