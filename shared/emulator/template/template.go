// Package template reads the CloudFormation template that the CDK app synthesizes into what the embedded cloud
// needs of it: tables, queues, secrets, functions with their environment, event source mappings and schedules, as
// plain values under their physical names.
//
// It exists so that the embedded cloud runs the stack that is deployed, and not a copy of it written by hand: a
// variable that the stack forgets is missing here too, and so is a FIFO queue that is none.
//
// It refuses to guess. An intrinsic that it does not know, a reference to a resource that is not there, a property
// of a queue or mapping that it would have to ignore, a resource of a type that it has never heard of: each is an
// error that names the resource and the property, and all of them are told at once.
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Place is where the stack is thought to be deployed.
type Place struct {
	Account string // 12 digits
	Region  string // "eu-central-1"
	Stack   string // the stack's name
	// Queues is what a queue's URL begins with, without a final slash; empty: "https://sqs.REGION.amazonaws.com".
	Queues string
	// Parameters are values for the template's parameters, before their defaults.
	Parameters map[string]string
}

// Stack is what a template says, sorted by logical id.
type Stack struct {
	Tables    []Table
	Queues    []Queue
	Secrets   []Secret
	Functions []Function
	Mappings  []Mapping
	Schedules []Schedule
}

// Table is an AWS::DynamoDB::Table or GlobalTable.
type Table struct {
	ID, Name, ARN string
	Keys          []Key
	Attributes    map[string]string // name to type: "S", "N", "B"
	Global, Local []Index
	Expiry        string // the TTL attribute; empty where there is none
}

// Key is one attribute of a key schema.
type Key struct {
	Attribute string
	Role      string // "HASH" or "RANGE"
}

// Index is a secondary index.
type Index struct {
	Name       string
	Keys       []Key
	Projection string   // "ALL", "KEYS_ONLY", "INCLUDE"
	Included   []string // of INCLUDE
}

// Queue is an AWS::SQS::Queue. Attributes are those of SQS's CreateQueue, RedrivePolicy as JSON text.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
type Queue struct {
	ID, Name, URL, ARN string
	Attributes         map[string]string
}

// Secret is an AWS::SecretsManager::Secret. Value is what the template gives it; empty where it is generated or
// put there by a person.
type Secret struct {
	ID, Name, ARN, Description, Value string
}

// Function is an AWS::Lambda::Function.
type Function struct {
	ID, Name, ARN string
	// Short is what people call it: the last part of its construct path ("Planner"), else its name as written, else
	// its logical id without a hash.
	Short       string
	Role        string // ARN of its execution role; empty where the template names none
	Handler     string
	Runtime     string
	Timeout     time.Duration // the service's default is 3 s
	Memory      int           // MB; the service's default is 128
	Environment map[string]string
}

// Mapping is an AWS::Lambda::EventSourceMapping from a queue of this stack to a function of it, by logical ids.
type Mapping struct {
	ID, Function, Queue string
	BatchSize           int           // messages; the service's default for queues is 10
	Window              time.Duration // zero: as soon as there is one message
	PartialFailures     bool          // ReportBatchItemFailures
	MaximumConcurrency  int           // zero: not limited
	Enabled             bool
}

// Schedule is an AWS::Scheduler::Schedule.
type Schedule struct {
	ID, Name   string
	Expression string // "rate(15 minutes)", "cron(…)"
	Timezone   string // of a cron expression; empty is UTC
	Function   string // logical id of its target; empty where Target is no function of this stack
	Target     string // ARN
	Input      string // the event's text; empty: the service's own
	Enabled    bool
}

// passive reports whether resources of a type change nothing for what runs in the embedded cloud.
func passive(typeName string) bool {
	for _, prefix := range []string{
		"AWS::IAM::", "AWS::Logs::", "AWS::CloudWatch::", "AWS::KMS::", "AWS::SNS::", "AWS::SES::", "AWS::SSM::Parameter",
		"AWS::CDK::Metadata", "AWS::SQS::QueuePolicy", "AWS::SecretsManager::ResourcePolicy",
		"AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Version", "AWS::Lambda::Alias",
		"AWS::Scheduler::ScheduleGroup", "AWS::Events::EventBus",
	} {
		if strings.HasPrefix(typeName, prefix) {
			return true
		}
	}
	return false
}

// Read reads a template in JSON. The error joins every complaint.
func Read(document []byte, place Place) (*Stack, error) {
	var doc struct {
		Parameters map[string]struct{ Default any }
		Resources  map[string]*resource
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	if len(doc.Resources) == 0 {
		return nil, errors.New("reading the template: it has no resources")
	}
	for id, said := range doc.Resources {
		if said == nil {
			return nil, fmt.Errorf("reading the template: resource %s is null", id)
		}
	}
	if place.Queues == "" {
		place.Queues = "https://sqs." + place.Region + ".amazonaws.com"
	}
	r := &reader{place: place, resources: doc.Resources, parameters: map[string]string{}, naming: map[string]bool{}}
	for name, p := range doc.Parameters {
		if p.Default != nil {
			r.parameters[name] = fmt.Sprint(p.Default)
		}
	}
	maps.Copy(r.parameters, place.Parameters)
	stack := r.stack()
	if err := errors.Join(r.complaints...); err != nil {
		return nil, fmt.Errorf("reading the template:\n%w", err)
	}
	return stack, nil
}

// resource is one entry of the template's Resources.
type resource struct {
	Type       string
	Condition  string
	Metadata   map[string]any
	Properties map[string]any
}

// reader carries what the parts of Read share.
type reader struct {
	place      Place
	resources  map[string]*resource
	parameters map[string]string
	naming     map[string]bool // logical ids whose names are being found out: a second visit is a circle
	complaints []error
}

// complain notes what is wrong with a property of a resource.
func (r *reader) complain(id, property string, err error) {
	if property != "" {
		property = ", property " + property
	}
	r.complaints = append(r.complaints, fmt.Errorf("resource %s (%s)%s: %w", id, r.resources[id].Type, property, err))
}

// stack reads every resource, in the order of logical ids.
func (r *reader) stack() *Stack {
	s := &Stack{}
	for _, id := range slices.Sorted(maps.Keys(r.resources)) {
		p := &properties{reader: r, id: id, all: r.resources[id].Properties, read: map[string]bool{}}
		switch kind := r.resources[id].Type; kind {
		case "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable":
			s.Tables = append(s.Tables, p.table())
		case "AWS::SQS::Queue":
			s.Queues = append(s.Queues, p.queue())
		case "AWS::SecretsManager::Secret":
			s.Secrets = append(s.Secrets, p.secret())
		case "AWS::Lambda::Function":
			s.Functions = append(s.Functions, p.function())
		case "AWS::Lambda::EventSourceMapping":
			s.Mappings = append(s.Mappings, p.mapping())
		case "AWS::Scheduler::Schedule":
			s.Schedules = append(s.Schedules, p.schedule())
		default:
			if !passive(kind) {
				r.complain(id, "", errors.New("the embedded cloud does not know this type of resource"))
			}
			continue
		}
		if r.resources[id].Condition != "" {
			r.complain(id, "Condition", errors.New("conditions are not supported"))
		}
	}
	return s
}
