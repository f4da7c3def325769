package entra

import (
	"net/http"

	"rollcall/shared/fault"
)

// What a code means, and what a person should do about it: data, one sentence each. Kinds come from statuses, from
// OAuth errors and from Graph's and AWS's codes; an AADSTS number only picks a sentence, since Microsoft says that
// numbers and texts may change (https://learn.microsoft.com/entra/identity-platform/reference-error-codes).

type meaning struct {
	kind   fault.Kind
	advice string
}

const (
	grantAdvice = "Grant the application permissions GroupMember.Read.All and User.Read.All (not the delegated ones) " +
		"to the app registration and press \"Grant admin consent\""
	userReadAdvice = "Grant the application permission User.Read.All to the app registration and press " +
		"\"Grant admin consent\": without it Graph returns people without their fields"
	hiddenAdvice = "Grant the application permission Member.Read.Hidden, or take the group out of the profile"
	cloudAdvice  = "Check that the cloud setting, the Graph URL and the tenant belong together"
	restart      = "Nothing to do: everything is read again, and nobody is removed because of it"
	ourFault     = "This is a defect of rollcall or a change in Graph: report it with the request id"
	waiting      = "Nothing to do: it is tried again"
)

// graphCodes are the codes of Graph's error body. https://learn.microsoft.com/graph/errors
var graphCodes = map[string]meaning{
	"InvalidAuthenticationToken":              {fault.Denied, "Graph did not accept our token. " + cloudAdvice},
	"CompactToken":                            {fault.Denied, "Graph did not accept our token. " + cloudAdvice},
	"Authorization_RequestDenied":             {fault.Denied, grantAdvice},
	"Authorization_IdentityNotFound":          {fault.Denied, "The app registration has no enterprise application in this tenant: grant admin consent once, which creates it"},
	"Authentication_MSGraphPermissionMissing": {fault.Denied, grantAdvice},
	"AccessDenied":                            {fault.Denied, grantAdvice},
	"Forbidden":                               {fault.Denied, grantAdvice},
	"Request_ResourceNotFound":                {fault.NotFound, "The object is deleted, or the id belongs to another tenant"},
	"ResourceNotFound":                        {fault.NotFound, "The object is deleted, or the id belongs to another tenant"},
	"Request_BadRequest":                      {fault.Unknown, ourFault},
	"Request_UnsupportedQuery":                {fault.Unknown, ourFault},
	"BadRequest":                              {fault.Unknown, ourFault},
	"NotImplemented":                          {fault.Unknown, ourFault},
	"syncStateNotFound":                       {fault.Expired, restart},
	"syncStateInvalid":                        {fault.Expired, restart},
	"resyncRequired":                          {fault.Expired, restart},
	"resyncApplyDifferences":                  {fault.Expired, restart},
	"resyncUploadDifferences":                 {fault.Expired, restart},
	"Directory_ExpiredPageToken":              {fault.Expired, restart},
	"TooManyRequests":                         {fault.Throttled, waiting},
	"activityLimitReached":                    {fault.Throttled, waiting},
	"Request_ThrottledTemporarily":            {fault.Throttled, waiting},
	"serviceNotAvailable":                     {fault.Unavailable, waiting},
	"ServiceUnavailable":                      {fault.Unavailable, waiting},
	"generalException":                        {fault.Unavailable, waiting},
	"UnknownError":                            {fault.Unknown, ourFault},
}

// firm are the statuses that mean the same whatever the code beside them says.
var firm = map[int]meaning{
	http.StatusTooManyRequests:     {fault.Throttled, waiting},
	http.StatusGone:                {fault.Expired, restart},
	http.StatusRequestTimeout:      {fault.Unavailable, waiting},
	http.StatusInternalServerError: {fault.Unavailable, waiting},
	http.StatusBadGateway:          {fault.Unavailable, waiting},
	http.StatusServiceUnavailable:  {fault.Unavailable, waiting},
	http.StatusGatewayTimeout:      {fault.Unavailable, waiting},
}

// statuses are what is left to go by where the code says nothing. A 404 without Graph's own code is some proxy's or
// a wrong URL's, so it is not "gone".
var statuses = map[int]meaning{
	http.StatusUnauthorized:   {fault.Denied, "Graph did not accept our token. " + cloudAdvice},
	http.StatusForbidden:      {fault.Denied, grantAdvice},
	http.StatusNotFound:       {fault.Unknown, "The answer is not Graph's own \"not found\": check the Graph URL"},
	http.StatusNotImplemented: {fault.Unknown, ourFault},
}

// oauthErrors are the errors of the token endpoint. https://www.rfc-editor.org/rfc/rfc6749#section-5.2
var oauthErrors = map[string]meaning{
	"invalid_client":          {fault.Misconfigured, "Entra did not accept the client secret or the federated credential: check both against the app registration"},
	"unauthorized_client":     {fault.Misconfigured, "Check the client id and the tenant id against the app registration"},
	"invalid_request":         {fault.Misconfigured, "Check the tenant id, the client id and the cloud setting"},
	"invalid_grant":           {fault.Misconfigured, "Check the app registration and its federated credential"},
	"invalid_scope":           {fault.Misconfigured, cloudAdvice},
	"invalid_resource":        {fault.Misconfigured, cloudAdvice},
	"invalid_tenant":          {fault.Misconfigured, "Check the tenant id and the cloud setting"},
	"access_denied":           {fault.Denied, "A policy of the tenant refuses the sign-in: look in Entra under Sign-in logs, service principals"},
	"temporarily_unavailable": {fault.Unavailable, waiting},
	"server_error":            {fault.Unavailable, waiting},
}

// aadsts are sentences for what administrators meet most. The numbers choose nothing but the sentence.
var aadsts = map[int]string{
	90002:   "Tenant not found: copy \"Directory (tenant) ID\" from Entra, Overview; for a US Government or China tenant set the cloud",
	900023:  "The tenant id is malformed: copy \"Directory (tenant) ID\" from Entra, Overview",
	90038:   "The tenant is in another national cloud: set the cloud to usgov, usgovdod or china",
	900382:  "The tenant is in another national cloud: set the cloud to usgov, usgovdod or china",
	900432:  "The tenant is in another national cloud: set the cloud to usgov, usgovdod or china",
	700016:  "The application (client) id is not in this tenant: was the Object ID pasted instead, or is it another tenant?",
	7000215: "The client secret is wrong: was the Secret ID pasted instead of the Value? The Value is shown only once, so make a new one",
	7000222: "The client secret has expired: add a new one in Entra and put it in the secret, or move to keyless sign-in",
	7000218: "No client secret was sent: the secret holds an empty clientSecret",
	7000112: "The application is disabled: set \"Enabled for users to sign in\" to yes on the enterprise application",
	70021:   "No federated credential matches: compare issuer, subject (the role's ARN) and audience letter by letter; a new one takes some minutes",
	700211:  "No federated credential matches the issuer: compare it letter by letter, without a slash at its end",
	700212:  "No federated credential matches the audience: it must be the one of the cloud, api://AzureADTokenExchange in the global one",
	700213:  "No federated credential matches the subject: it must be the ARN of the planner's role, not of its session",
	500011:  "The tenant does not know Microsoft Graph under this address: " + cloudAdvice,
	50012:   "The signature of the sign-in token was not accepted: keyless sign-in needs RS256",
	90055:   waiting,
	90033:   waiting,
}

// awsCodes are what fetching a keyless sign-in's token may meet.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
var awsCodes = map[string]meaning{
	"OutboundWebIdentityFederationDisabled":          {fault.Misconfigured, "Switch it on once for the account: aws iam enable-outbound-web-identity-federation"},
	"OutboundWebIdentityFederationDisabledException": {fault.Misconfigured, "Switch it on once for the account: aws iam enable-outbound-web-identity-federation"},
	"SessionDurationEscalationException":             {fault.Misconfigured, "The token may not outlive the role's session: ask for a shorter one"},
	"AccessDenied":                                   {fault.Denied, "Allow the planner's role sts:GetWebIdentityToken for this audience; a service control policy may deny it too"},
	"AccessDeniedException":                          {fault.Denied, "Allow the planner's role sts:GetWebIdentityToken for this audience; a service control policy may deny it too"},
	"Throttling":                                     {fault.Throttled, waiting},
	"ThrottlingException":                            {fault.Throttled, waiting},
}
