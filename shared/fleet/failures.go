package fleet

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/smithy-go"

	"rollcall/shared/awsfault"
	"rollcall/shared/fault"
)

const (
	workspacesID = workspaces.ServiceID
	ec2ID        = ec2.ServiceID
	quotasID     = servicequotas.ServiceID
	stsID        = sts.ServiceID
)

// meaning is what a code of the services means for the caller.
type meaning struct {
	kind   fault.Kind
	advice string
}

// codes is what is known of the codes that come back, for single people (dotted strings, which AWS lists nowhere)
// and for whole calls. The remark says how it is known: documented, observed in public issues and scripts, or only
// expected. A code that is not here is Rejected, verbatim.
var codes = map[string]meaning{
	// For one person, inside a success.
	"ResourceExists.WorkSpace":                             {kind: fault.AlreadyExists},                                                                                                  // observed
	"ResourceNotFound.User":                                {fault.NotInDirectory, "The directory does not know the user name; it is tried again quietly"},                               // observed
	"ResourceNotFound.Directory":                           {fault.Misconfigured, "Check that the directory is in this account and Region and registered with WorkSpaces"},               // observed
	"ResourceNotFound.Bundle":                              {fault.Misconfigured, "Check that the bundle is in this account and Region, and AVAILABLE"},                                  // expected, like the directory's
	"AutoStopTimeoutIsNotApplicableForAnAlwaysOnWorkspace": {fault.Misconfigured, "Leave autoStopMinutes out with ALWAYS_ON"},                                                            // expected: an emulator's wording
	"AutoStopTimeoutIsNotDefaultForManualWorkspace":        {fault.Misconfigured, "MANUAL is for WorkSpaces Core only"},                                                                  // expected
	"InvalidUserConfiguration.Workspace":                   {fault.Rejected, "The user was renamed in the directory or is not set up fully; check the user there"},                       // documented for rebuild
	"ResourceLimitExceeded":                                {fault.QuotaReached, "Ask for a higher quota: Service Quotas, Amazon WorkSpaces, WorkSpaces (L-34278094); the default is 1"}, // expected

	// For a whole call.
	"ResourceLimitExceededException":             {fault.QuotaReached, "Ask for a higher quota: Service Quotas, Amazon WorkSpaces, WorkSpaces (L-34278094); the default is 1"}, // documented
	"InvalidParameterValuesException":            {kind: fault.Rejected},                                                                                                       // documented
	"ValidationException":                        {kind: fault.Rejected},                                                                                                       // observed
	"ResourceNotFoundException":                  {kind: fault.NotFound},                                                                                                       // documented
	"NoSuchResourceException":                    {kind: fault.NotFound},                                                                                                       // documented: Service Quotas
	"ResourceUnavailableException":               {kind: fault.Unavailable},                                                                                                    // documented
	"OperationInProgressException":               {kind: fault.Unavailable},                                                                                                    // documented
	"InternalServerException":                    {kind: fault.Unavailable},                                                                                                    // expected, as of every service
	"InternalFailure":                            {kind: fault.Unavailable},
	"ServiceUnavailable":                         {kind: fault.Unavailable},
	"ServiceUnavailableException":                {kind: fault.Unavailable},
	"RequestTimeout":                             {kind: fault.Unavailable},
	"RequestTimeoutException":                    {kind: fault.Unavailable},
	"AccessDeniedException":                      {kind: fault.Denied},
	"AccessDenied":                               {kind: fault.Denied},
	"UnauthorizedOperation":                      {kind: fault.Denied},
	"OptInRequired":                              {fault.Denied, "The Region or the service is not enabled for this account"},
	"UnrecognizedClientException":                {fault.Denied, "The credentials are not known: check that the Region is enabled for this account"},
	"InvalidClientTokenId":                       {fault.Denied, "The credentials are not known: check that the Region is enabled for this account"},
	"RegionDisabledException":                    {fault.Denied, "Enable the Region for this account, or STS in it"},
	"MissingAuthenticationTokenException":        {kind: fault.Denied},
	"IncompleteSignature":                        {kind: fault.Denied},
	"InvalidSignatureException":                  {kind: fault.Denied},
	"SignatureDoesNotMatch":                      {kind: fault.Denied},
	"ExpiredToken":                               {kind: fault.Unavailable}, // the next invocation has new ones
	"ExpiredTokenException":                      {kind: fault.Unavailable},
	"InvalidSubnetID.NotFound":                   {fault.Misconfigured, "The directory names a subnet that is gone"}, // documented: EC2
	"DependencyAccessDeniedException":            {kind: fault.Denied},
	"UnsupportedWorkspaceConfigurationException": {kind: fault.Misconfigured}, // documented
	"WorkspacesDefaultRoleNotFoundException":     {fault.Misconfigured, "Create the role workspaces_DefaultRole in the account"},
}

// messages are failures of which only the words are known, not the code. They apply where the code says nothing.
var messages = []struct {
	words string
	meaning
}{
	// Observed on WorkSpaces in state ERROR whose subnet was full; such a WorkSpace has no subnet.
	{"does not have an available private ip address", meaning{fault.NoCapacity, "The directory's subnets are full"}},
	// Documented for a KMS key whose grants are used up, or that is disabled or gone.
	{"the specified key is not available", meaning{fault.Misconfigured, "Check that the KMS key is enabled, in this Region, and has grants left"}},
}

// meaningOf looks a failure up. status is the HTTP status, or 0 for a failure inside a success.
func meaningOf(code, message string, status int) meaning {
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok || status == 429 {
		return meaning{kind: fault.Throttled}
	}
	if m, ok := codes[code]; ok {
		return m
	}
	if general, _, dotted := strings.Cut(code, "."); dotted { // "ResourceLimitExceeded.WorkSpace"
		if m, ok := codes[general]; ok {
			return m
		}
	}
	if m, ok := wordsOf(message); ok {
		return m
	}
	if status >= 500 {
		return meaning{kind: fault.Unavailable}
	}
	return meaning{fault.Rejected, ""}
}

func wordsOf(message string) (meaning, bool) {
	lower := strings.ToLower(message)
	for _, m := range messages {
		if strings.Contains(lower, m.words) {
			return m.meaning, true
		}
	}
	return meaning{}, false
}

// classify gives a failed call its kind. doing says what was being done, as a gerund with an id. What the service
// says is looked up in the table; an answer that never came is Unavailable, and its outcome is not known.
func classify(err error, doing string) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	failure := awsfault.Read(err)
	if failure.Refusal == nil {
		e := fault.Wrap(fault.Unavailable, err, doing)
		if failure.Status == 429 {
			e.Kind = fault.Throttled
		} else if failure.Status >= 400 && failure.Status < 500 {
			e.Kind = fault.Rejected
		}
		return e
	}
	meaning := meaningOf(failure.Code(), failure.Refusal.ErrorMessage(), failure.Status)
	e := fault.Wrap(meaning.kind, verbatim{failure.Refusal}, doing)
	e.Code, e.Advice, e.RequestID = failure.Code(), meaning.advice, failure.RequestID
	if permission := permissionOf(failure.Calls); meaning.kind == fault.Denied && meaning.advice == "" && permission != "" {
		e.Advice = "The worker's role needs the permission " + permission
	}
	return e
}

// verbatim is the service's own message without the code, which the fault carries.
type verbatim struct{ smithy.APIError }

func (v verbatim) Error() string {
	if v.ErrorMessage() == "" {
		return "the service gave no message"
	}
	return v.ErrorMessage()
}

// permissionOf is the permission that the innermost call needs ("workspaces:CreateWorkspaces"): where assuming a
// role fails, that is the call inside. Empty where no call can be named.
func permissionOf(calls []awsfault.Call) string {
	for _, call := range slices.Backward(calls) {
		i := slices.IndexFunc(prefixes, func(p [2]string) bool { return p[0] == call.Service })
		if i >= 0 {
			return prefixes[i][1] + ":" + call.Operation
		}
	}
	return ""
}

// prefixes are the services' names in the SDK and in IAM.
var prefixes = [][2]string{
	{workspacesID, "workspaces"}, {ec2ID, "ec2"}, {quotasID, "servicequotas"}, {stsID, "sts"},
}
