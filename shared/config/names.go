// Package config is what a function is told by its environment. Every name is a constant here, and the stack in
// infra sets the environment by the same constants. It is read once, at start, and reports every complaint at
// once; it holds no secret, and refuses to hold one.
package config

// The environment of the functions. AWS's own variables (AWS_REGION, AWS_ENDPOINT_URL, …) are read by its SDK.
const (
	Installation  = "ROLLCALL_INSTALLATION"    // both: the name of this installation, part of every ownership tag
	LedgerTable   = "ROLLCALL_LEDGER_TABLE"    // both
	ProfilesTable = "ROLLCALL_PROFILES_TABLE"  // planner
	QueueURL      = "ROLLCALL_QUEUE_URL"       // planner: the FIFO queue of jobs
	GraphSecret   = "ROLLCALL_GRAPH_SECRET"    // planner: name or ARN of the secret with the Graph credential
	GraphURL      = "ROLLCALL_GRAPH_URL"       // planner, optional: another base URL of Graph, with /v1.0
	Authority     = "ROLLCALL_ENTRA_AUTHORITY" // planner, optional: another Entra authority
	DeadLetterURL = "ROLLCALL_DEAD_LETTER_URL" // worker: where a body that cannot be decoded is put
	Account       = "ROLLCALL_ACCOUNT"         // worker: our own account, which needs no role
	MemberRole    = "ROLLCALL_MEMBER_ROLE"     // worker, optional: name of the role to assume in other accounts
	ExternalID    = "ROLLCALL_EXTERNAL_ID"     // worker, optional: external id of that role
	CallRate      = "ROLLCALL_CALL_RATE"       // worker, optional: WorkSpaces calls a second and lane, default 1.8
	LogLevel      = "ROLLCALL_LOG_LEVEL"       // both, optional: debug, info (default), warn, error
)
