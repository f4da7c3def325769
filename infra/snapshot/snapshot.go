// Package snapshot holds the CloudFormation template that the CDK app in infra writes with the settings of cdk.json,
// as it was when somebody last ran `make snapshot`.
//
// It exists so that the embedded cloud starts from what is deployed (tables and their indexes, queues, environment,
// batch size, schedule) without CDK and without Node, and so that a change of the stack is read as a diff of the
// template. A test in infra says when it is stale. The functions' code in it is a stand-in: the asset hashes are
// those of two lines of text, and never change.
//
// It refuses to import CDK, or anything else.
package snapshot

import _ "embed"

// Template is the template as JSON, with CDK's construct paths in its metadata.
//
//go:embed rollcall.template.json
var Template []byte
