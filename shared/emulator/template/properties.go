package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// properties reads the properties of one resource. What is wrong goes to the reader's complaints, and the value
// is then the zero value: Read gives an error in the end anyway.
type properties struct {
	*reader
	id   string
	all  map[string]any
	read map[string]bool
}

// value is a property, resolved; nil where it is absent. The path may lead into objects: "Environment.Variables".
func (p *properties) value(path string) any {
	var at any = p.all
	first, _, _ := strings.Cut(path, ".")
	p.read[first] = true
	for _, name := range strings.Split(path, ".") {
		object, isObject := at.(map[string]any)
		if !isObject {
			p.complain(p.id, path, fmt.Errorf("expected an object, got %s", text(at)))
			return nil
		}
		var there bool
		if at, there = object[name]; !there {
			return nil
		}
	}
	value, err := p.resolve(at)
	if err != nil {
		p.complain(p.id, path, err)
		return nil
	}
	if value == any(absent{}) {
		return nil
	}
	return value
}

// text is a property as text; numbers and booleans are written out. Empty where it is absent.
func (p *properties) text(path string) string {
	switch v := p.value(path).(type) {
	case nil:
		return ""
	case string, float64, bool:
		return scalar(v)
	default:
		p.complain(p.id, path, fmt.Errorf("expected text, got %s", text(v)))
		return ""
	}
}

// number is a property as a whole number, or otherwise where it is absent.
func (p *properties) number(path string, otherwise int) int {
	said := p.text(path)
	if said == "" {
		return otherwise
	}
	n, err := strconv.Atoi(said)
	if err != nil {
		p.complain(p.id, path, fmt.Errorf("expected a whole number, got %q", said))
	}
	return n
}

// flag is a property as a boolean, or otherwise where it is absent.
func (p *properties) flag(path string, otherwise bool) bool {
	said := p.text(path)
	if said == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(said)
	if err != nil {
		p.complain(p.id, path, fmt.Errorf("expected true or false, got %q", said))
	}
	return b
}

// decode reads a property that is a list or an object into a value of Go.
func (p *properties) decode(path string, into any) {
	value := p.value(path)
	if value == nil {
		return
	}
	encoded, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(encoded, into)
	}
	if err != nil {
		p.complain(p.id, path, err)
	}
}

// required complains of a property that is empty.
func (p *properties) required(path, value string) string {
	if value == "" {
		p.complain(p.id, path, errors.New("is missing"))
	}
	return value
}

// noMore complains of every property that was neither read nor is in the list of those to be ignored: it would
// change how the resource behaves, and not here.
func (p *properties) noMore(ignored ...string) {
	for _, name := range slices.Sorted(maps.Keys(p.all)) {
		if !p.read[name] && !slices.Contains(ignored, name) {
			p.complain(p.id, name, errors.New("the embedded cloud does not know this property"))
		}
	}
}

// identity is the physical name and the ARN.
func (p *properties) identity() (name, arn string) {
	k, _ := kindOf(p.resources[p.id].Type)
	p.read[k.property] = true
	name, err := p.name(p.id)
	if err != nil {
		p.complain(p.id, k.property, err)
	}
	return name, p.arn(p.id, name, k)
}

// The shapes of DynamoDB's properties, as the template spells them.
type (
	keyPart struct{ AttributeName, KeyType string }
	index   struct {
		IndexName  string
		KeySchema  []keyPart
		Projection struct {
			ProjectionType   string
			NonKeyAttributes []string
		}
	}
)

func keys(parts []keyPart) (all []Key) {
	for _, part := range parts {
		all = append(all, Key{Attribute: part.AttributeName, Role: part.KeyType})
	}
	return all
}

func (p *properties) indexes(path string) (all []Index) {
	var said []index
	p.decode(path, &said)
	for _, i := range said {
		all = append(all, Index{
			Name: i.IndexName, Keys: keys(i.KeySchema),
			Projection: p.required(path+"."+i.IndexName+".Projection.ProjectionType", i.Projection.ProjectionType),
			Included:   i.Projection.NonKeyAttributes,
		})
	}
	return all
}

// table reads AWS::DynamoDB::Table and GlobalTable (CDK's TableV2), which say the same where we look.
func (p *properties) table() Table {
	t := Table{ID: p.id, Attributes: map[string]string{}}
	t.Name, t.ARN = p.identity()
	var parts []keyPart
	p.decode("KeySchema", &parts)
	if t.Keys = keys(parts); len(t.Keys) == 0 {
		p.complain(p.id, "KeySchema", errors.New("is missing"))
	}
	var attributes []struct{ AttributeName, AttributeType string }
	p.decode("AttributeDefinitions", &attributes)
	for _, a := range attributes {
		t.Attributes[a.AttributeName] = a.AttributeType
	}
	t.Global, t.Local = p.indexes("GlobalSecondaryIndexes"), p.indexes("LocalSecondaryIndexes")
	if p.flag("TimeToLiveSpecification.Enabled", false) {
		t.Expiry = p.required("TimeToLiveSpecification.AttributeName", p.text("TimeToLiveSpecification.AttributeName"))
	}
	// How it is paid, encrypted, backed up and named in bills makes no difference here. Replicas of a GlobalTable
	// are other Regions; the one of this Region is always among them.
	p.noMore("BillingMode", "ProvisionedThroughput", "OnDemandThroughput", "WriteOnDemandThroughputSettings",
		"ReadOnDemandThroughputSettings", "SSESpecification", "PointInTimeRecoverySpecification",
		"DeletionProtectionEnabled", "TableClass", "Tags", "Replicas", "ContributorInsightsSpecification", "WarmThroughput",
		"ResourcePolicy")
	return t
}

// queue reads AWS::SQS::Queue.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html
func (p *properties) queue() Queue {
	q := Queue{ID: p.id, Attributes: map[string]string{}}
	q.Name, q.ARN = p.identity()
	q.URL = p.url(q.Name)
	for _, name := range []string{
		"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
		"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout",
	} {
		// CreateQueue takes FifoQueue only when it is true.
		if said := p.text(name); said != "" && (name != "FifoQueue" || said == "true") {
			q.Attributes[name] = said
		}
	}
	for _, name := range []string{"RedrivePolicy", "RedriveAllowPolicy"} {
		if policy := p.value(name); policy != nil {
			encoded, err := json.Marshal(policy)
			if err != nil {
				p.complain(p.id, name, err)
			}
			q.Attributes[name] = string(encoded)
		}
	}
	p.noMore("Tags", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
	return q
}

// secret reads AWS::SecretsManager::Secret. What is generated is random: nobody can rely on it, so it stays empty.
func (p *properties) secret() Secret {
	s := Secret{ID: p.id, Description: p.text("Description"), Value: p.text("SecretString")}
	s.Name, s.ARN = p.identity()
	p.noMore("GenerateSecretString", "KmsKeyId", "ReplicaRegions", "Tags", "Type")
	return s
}

// function reads AWS::Lambda::Function. Of its other properties (layers, network, tracing) nothing is emulated.
func (p *properties) function() Function {
	f := Function{
		ID: p.id, Role: p.text("Role"), Handler: p.text("Handler"), Runtime: p.text("Runtime"),
		Timeout: time.Duration(p.number("Timeout", 3)) * time.Second, Memory: p.number("MemorySize", 128),
		Environment: map[string]string{},
	}
	f.Name, f.ARN = p.identity()
	f.Short = p.short()
	variables, _ := p.written("Environment.Variables").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		value, err := p.resolve(variables[name])
		if err != nil {
			p.complain(p.id, "Environment.Variables."+name, err)
			continue
		}
		switch value.(type) {
		case absent:
		case string, float64, bool:
			f.Environment[name] = scalar(value)
		default:
			p.complain(p.id, "Environment.Variables."+name, fmt.Errorf("expected text, got %s", text(value)))
		}
	}
	return f
}

// written is a property as it is written, or nil.
func (p *properties) written(path string) any {
	var at any = p.all
	for _, name := range strings.Split(path, ".") {
		object, isObject := at.(map[string]any)
		if !isObject {
			return nil
		}
		at = object[name]
	}
	return at
}

// short is the last part of CDK's construct path. Without one it is the name as written, or the logical id without
// the hash that CDK puts behind it.
func (p *properties) short() string {
	path, _ := p.resources[p.id].Metadata["aws:cdk:path"].(string)
	parts := strings.Split(strings.TrimSuffix(path, "/Resource"), "/")
	if last := parts[len(parts)-1]; last != "" {
		return last
	}
	if name, isText := p.all["FunctionName"].(string); isText {
		return name
	}
	return regexp.MustCompile(`(.)[0-9A-F]{8}$`).ReplaceAllString(p.id, "$1")
}

// mapping reads AWS::Lambda::EventSourceMapping of a queue.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
func (p *properties) mapping() Mapping {
	m := Mapping{
		ID: p.id, BatchSize: p.number("BatchSize", 10), Enabled: p.flag("Enabled", true),
		Window:             time.Duration(p.number("MaximumBatchingWindowInSeconds", 0)) * time.Second,
		MaximumConcurrency: p.number("ScalingConfig.MaximumConcurrency", 0),
	}
	m.Function = p.find("FunctionName", "AWS::Lambda::Function")
	m.Queue = p.find("EventSourceArn", "AWS::SQS::Queue")
	var types []string
	p.decode("FunctionResponseTypes", &types)
	for _, kind := range types {
		if kind != "ReportBatchItemFailures" {
			p.complain(p.id, "FunctionResponseTypes", fmt.Errorf("there is no %q", kind))
		}
		m.PartialFailures = true
	}
	p.noMore("Tags", "MetricsConfig")
	return m
}

// find is the logical id of the resource of that type which a property names, by its name or ARN.
func (p *properties) find(path, kind string) string {
	said := p.required(path, p.text(path))
	if said == "" {
		return ""
	}
	id := p.named(said, kind)
	if id == "" {
		p.complain(p.id, path, fmt.Errorf("there is no %s %q in this stack", kind, said))
	}
	return id
}

// named is the logical id of the resource of a type with a name or ARN, or empty.
func (p *properties) named(said, typeName string) string {
	for id, other := range p.resources {
		if other.Type != typeName {
			continue
		}
		name, err := p.name(id)
		if err != nil {
			continue // told where that resource is read
		}
		if k, _ := kindOf(typeName); said == name || said == p.arn(id, name, k) {
			return id
		}
	}
	return ""
}

// schedule reads AWS::Scheduler::Schedule.
func (p *properties) schedule() Schedule {
	s := Schedule{
		ID: p.id, Timezone: p.text("ScheduleExpressionTimezone"), Input: p.text("Target.Input"),
		Expression: p.required("ScheduleExpression", p.text("ScheduleExpression")),
		Target:     p.required("Target.Arn", p.text("Target.Arn")),
	}
	s.Name, _ = p.identity()
	s.Function = p.named(s.Target, "AWS::Lambda::Function")
	switch state := p.text("State"); state {
	case "", "ENABLED":
		s.Enabled = true
	case "DISABLED":
	default:
		p.complain(p.id, "State", fmt.Errorf("there is no %q", state))
	}
	p.noMore("Description", "FlexibleTimeWindow", "GroupName", "KmsKeyArn")
	return s
}
