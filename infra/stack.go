package main

import (
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"rollcall/shared/config"
)

// newStack is one installation of rollcall, read along its line: schedule, planner, queue, worker, ledger.
// The folder holds the functions' binaries.
func newStack(scope constructs.Construct, s settings, folder string) awscdk.Stack {
	stack := readableStack(scope, s)

	// An administrator writes AP profiles; rollcall writes down what it believes and did.
	profiles := profilesTable(stack)
	ledger := ledgerTable(stack)

	// Entra is read with this. A person fills it in; the stack never knows its value.
	credential := graphCredential(stack)

	// Every tick, the planner takes the roll and sends the differences as jobs, in order for each account and Region.
	// What cannot be worked off in five tries is set aside; so is a tick that failed.
	deadLetters := deadLetterQueue(stack)
	jobs := jobsQueue(stack, deadLetters)
	failedTicks := failedTicksQueue(stack)

	planner := newFunction(stack, function{
		name:   "Planner",
		says:   "Takes the roll of the Entra groups, decides, writes the ledger and sends jobs",
		binary: filepath.Join(folder, "planner"),
		memory: 512, timeout: plannerTimeout,
		role: plannerRole(s), // the subject of the federated credential in Entra: it must not change
		may:  plannerMay(s, profiles, ledger, jobs, failedTicks, credential),
		environment: map[string]*string{
			config.Installation:  jsii.String(s.Installation),
			config.ProfilesTable: profiles.TableName(),
			config.LedgerTable:   ledger.TableName(),
			config.QueueURL:      jobs.QueueUrl(),
			config.GraphSecret:   credential.Ref(),
			config.LogLevel:      jsii.String(s.LogLevel),
		},
		retention: s.LogRetention,
	})
	setAsideFailures(planner, failedTicks)
	tick(stack, s, planner, failedTicks)

	// The worker takes the jobs, calls Amazon WorkSpaces within its rate, and writes down what came of it.
	worker := newFunction(stack, function{
		name:   "Worker",
		says:   "Works off jobs: creates and checks WorkSpaces, and writes the outcome in the ledger",
		binary: filepath.Join(folder, "worker"),
		memory: 128, timeout: workerTimeout,
		role: workerRole(s), // the members' roles trust it by its name
		may:  workerMay(stack, s, ledger, jobs, deadLetters),
		environment: withoutEmpty(map[string]*string{
			config.Installation:  jsii.String(s.Installation),
			config.LedgerTable:   ledger.TableName(),
			config.DeadLetterURL: deadLetters.QueueUrl(),
			config.Account:       stack.Account(),
			config.MemberRole:    jsii.String(s.memberRole()),
			config.ExternalID:    jsii.String(s.externalID()),
			config.CallRate:      jsii.String(s.callRate()),
			config.LogLevel:      jsii.String(s.LogLevel),
		}),
		retention: s.LogRetention,
	})
	feed(stack, jobs, worker)

	tellThePerson(stack, s, told{profiles, ledger, credential, jobs, deadLetters, failedTicks, planner, worker})
	return stack
}

// plannerRole and workerRole are the roles' names. An account has one role of a name, so a second installation of
// the same name in another Region is refused: both would take each other's desktops for their own.
func plannerRole(s settings) string { return s.Installation + "-planner" }
func workerRole(s settings) string  { return s.Installation + "-worker" }

// named is a stack whose logical ids are the construct's path, without CDK's hash: a person reads them in the
// console and in a diff, and the snapshot stays stable. Two equal ones are an error at synthesis.
type named struct{ awscdk.Stack }

// AllocateLogicalId is called by CDK for each resource.
func (n *named) AllocateLogicalId(element awscdk.CfnElement) *string {
	var id strings.Builder
	for _, part := range strings.Split(*element.Node().Path(), "/")[1:] {
		if part != "Resource" && part != "Default" {
			id.WriteString(part)
		}
	}
	return jsii.String(id.String())
}

func readableStack(scope constructs.Construct, s settings) awscdk.Stack {
	stack := &named{}
	awscdk.NewStack_Override(stack, scope, jsii.String("rollcall"), &awscdk.StackProps{
		StackName:   jsii.String(s.Installation),
		Description: jsii.String("rollcall: keeps Amazon WorkSpaces in step with Microsoft Entra groups"),
	})
	return stack
}

func withoutEmpty(m map[string]*string) map[string]*string {
	for name, value := range m {
		if *value == "" {
			delete(m, name)
		}
	}
	return m
}
