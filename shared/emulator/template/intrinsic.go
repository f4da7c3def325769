package template

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// absent is the value of Ref AWS::NoValue: the property, entry or element is as if it were not written.
type absent struct{}

// resolve is a value of the template with its intrinsics worked out: text, float64, bool, nil, list or object, or
// absent. Supported are Ref, Fn::GetAtt, Fn::Join, Fn::Sub, Fn::Select and Fn::Split.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
func (r *reader) resolve(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, element := range v {
			value, err := r.resolve(element)
			if err != nil {
				return nil, err
			}
			if value != any(absent{}) {
				list = append(list, value)
			}
		}
		return list, nil
	case map[string]any:
		if name, argument, is := intrinsic(v); is {
			return r.call(name, argument)
		}
		object := map[string]any{}
		for key, member := range v {
			value, err := r.resolve(member)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if value != any(absent{}) {
				object[key] = value
			}
		}
		return object, nil
	}
	return v, nil
}

// intrinsic is the function that an object of one member stands for.
func intrinsic(object map[string]any) (name string, argument any, is bool) {
	if len(object) != 1 {
		return "", nil, false
	}
	for name, argument = range object {
	}
	return name, argument, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

// call works out one intrinsic.
func (r *reader) call(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		return r.ref(argument)
	case "Fn::GetAtt":
		return r.getAtt(argument)
	case "Fn::Join":
		return r.join(argument)
	case "Fn::Sub":
		return r.sub(argument)
	case "Fn::Select":
		return r.choose(argument)
	case "Fn::Split":
		return r.split(argument)
	}
	return nil, fmt.Errorf("%s is not supported", name)
}

// ref is a pseudo parameter, a parameter, or what a resource is referred to by.
func (r *reader) ref(argument any) (any, error) {
	id, isText := argument.(string)
	if !isText {
		return nil, fmt.Errorf("the Ref of %s", text(argument))
	}
	if id == "AWS::NoValue" {
		return absent{}, nil
	}
	if value, known := r.pseudo(id); known {
		return value, nil
	}
	if strings.HasPrefix(id, "AWS::") {
		return nil, fmt.Errorf("a Ref of %s is not supported", id)
	}
	if value, known := r.parameters[id]; known {
		return value, nil
	}
	return r.reference(id)
}

// pseudo is the value of a pseudo parameter.
func (r *reader) pseudo(name string) (string, bool) {
	value, known := map[string]string{
		"AWS::AccountId": r.place.Account,
		"AWS::Region":    r.place.Region,
		"AWS::Partition": "aws",
		"AWS::StackName": r.place.Stack,
		"AWS::StackId": "arn:aws:cloudformation:" + r.place.Region + ":" + r.place.Account + ":stack/" + r.place.Stack +
			"/00000000-0000-0000-0000-000000000000",
		"AWS::URLSuffix": "amazonaws.com",
	}[name]
	return value, known
}

func (r *reader) getAtt(argument any) (any, error) {
	if said, isText := argument.(string); isText {
		id, attribute, _ := strings.Cut(said, ".")
		return r.attribute(id, attribute)
	}
	parts, err := r.texts(argument)
	if err != nil || len(parts) != 2 {
		return nil, fmt.Errorf("Fn::GetAtt of %s: expected a resource and an attribute", text(argument))
	}
	return r.attribute(parts[0], parts[1])
}

func (r *reader) join(argument any) (any, error) {
	list, isList := argument.([]any)
	if !isList || len(list) != 2 {
		return nil, fmt.Errorf("Fn::Join of %s: expected a delimiter and a list", text(argument))
	}
	delimiter, isText := list[0].(string)
	if !isText {
		return nil, fmt.Errorf("Fn::Join with the delimiter %s", text(list[0]))
	}
	parts, err := r.texts(list[1])
	if err != nil {
		return nil, fmt.Errorf("Fn::Join: %w", err)
	}
	return strings.Join(parts, delimiter), nil
}

// texts is a list of texts, resolved.
func (r *reader) texts(v any) ([]string, error) {
	value, err := r.resolve(v)
	if err != nil {
		return nil, err
	}
	list, isList := value.([]any)
	if !isList {
		return nil, fmt.Errorf("expected a list, got %s", text(value))
	}
	parts := make([]string, 0, len(list))
	for _, element := range list {
		switch element.(type) {
		case string, float64, bool:
			parts = append(parts, scalar(element))
		default:
			return nil, fmt.Errorf("expected a list of texts, got %s in it", text(element))
		}
	}
	return parts, nil
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

// sub is Fn::Sub, of a text or of a text and its own variables. ${!Name} stands for ${Name} itself.
func (r *reader) sub(argument any) (any, error) {
	variables := map[string]any{}
	if list, isList := argument.([]any); isList {
		if len(list) != 2 {
			return nil, fmt.Errorf("Fn::Sub of %s: expected a text and its variables", text(argument))
		}
		var isObject bool
		if variables, isObject = list[1].(map[string]any); !isObject {
			return nil, fmt.Errorf("Fn::Sub with the variables %s", text(list[1]))
		}
		argument = list[0]
	}
	said, isText := argument.(string)
	if !isText {
		return nil, fmt.Errorf("Fn::Sub of %s", text(argument))
	}
	var failed error
	result := placeholder.ReplaceAllStringFunc(said, func(match string) string {
		name := match[2 : len(match)-1]
		if literal, is := strings.CutPrefix(name, "!"); is {
			return "${" + literal + "}"
		}
		value, err := r.substitute(name, variables)
		failed = errors.Join(failed, err)
		return value
	})
	if failed != nil {
		return nil, fmt.Errorf("Fn::Sub: %w", failed)
	}
	return result, nil
}

// substitute is what ${name} stands for.
func (r *reader) substitute(name string, variables map[string]any) (string, error) {
	var value any
	var err error
	if own, is := variables[name]; is {
		value, err = r.resolve(own)
	} else if strings.Contains(name, ".") {
		value, err = r.getAtt(name)
	} else {
		value, err = r.ref(name)
	}
	if err != nil {
		return "", err
	}
	switch value.(type) {
	case string, float64, bool:
		return scalar(value), nil
	}
	return "", fmt.Errorf("${%s} is %s, not text", name, text(value))
}

// choose is Fn::Select.
func (r *reader) choose(argument any) (any, error) {
	list, isList := argument.([]any)
	if !isList || len(list) != 2 {
		return nil, fmt.Errorf("Fn::Select of %s: expected an index and a list", text(argument))
	}
	at, err := strconv.Atoi(scalar(list[0]))
	if err != nil {
		return nil, fmt.Errorf("Fn::Select with the index %s", text(list[0]))
	}
	from, err := r.texts(list[1])
	if err != nil {
		return nil, fmt.Errorf("Fn::Select: %w", err)
	}
	if at < 0 || at >= len(from) {
		return nil, fmt.Errorf("Fn::Select: there is no element %d of %d", at, len(from))
	}
	return from[at], nil
}

// split is Fn::Split.
func (r *reader) split(argument any) (any, error) {
	list, err := r.texts(argument)
	if err != nil || len(list) != 2 {
		return nil, errors.Join(fmt.Errorf("Fn::Split of %s: expected a delimiter and a text", text(argument)), err)
	}
	parts := []any{}
	for _, part := range strings.Split(list[1], list[0]) {
		parts = append(parts, part)
	}
	return parts, nil
}

// kind is how resources of one type are named and referred to.
type kind struct {
	property string // the property that holds the name
	longest  int    // characters of a name
	arn      string // with %R, %A, %N and %6 for Region, account, name and six letters; empty: has none
	ref      string // what Ref gives: "name", "arn" or "url"
	arnAs    string // attributes that give the ARN, by Fn::GetAtt
	nameAs   string // those that give the name
}

// kindOf is every type of resource that may be referred to. What Ref and Fn::GetAtt give is on each type's page
// under https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
func kindOf(typeName string) (kind, bool) {
	k, known := map[string]kind{
		"AWS::DynamoDB::Table":          {"TableName", 255, "arn:aws:dynamodb:%R:%A:table/%N", "name", "Arn", ""},
		"AWS::DynamoDB::GlobalTable":    {"TableName", 255, "arn:aws:dynamodb:%R:%A:table/%N", "name", "Arn", ""},
		"AWS::SQS::Queue":               {"QueueName", 80, "arn:aws:sqs:%R:%A:%N", "url", "Arn", "QueueName"},
		"AWS::SecretsManager::Secret":   {"Name", 512, "arn:aws:secretsmanager:%R:%A:secret:%N-%6", "arn", "Id", ""},
		"AWS::Lambda::Function":         {"FunctionName", 64, "arn:aws:lambda:%R:%A:function:%N", "name", "Arn", ""},
		"AWS::Scheduler::Schedule":      {"Name", 64, "arn:aws:scheduler:%R:%A:schedule/default/%N", "name", "Arn", ""},
		"AWS::Scheduler::ScheduleGroup": {"Name", 64, "arn:aws:scheduler:%R:%A:schedule-group/%N", "name", "Arn", ""},
		"AWS::IAM::Role":                {"RoleName", 64, "arn:aws:iam::%A:role/%N", "name", "Arn", ""},
		"AWS::SNS::Topic":               {"TopicName", 256, "arn:aws:sns:%R:%A:%N", "arn", "TopicArn", "TopicName"},
		"AWS::Events::EventBus":         {"Name", 256, "arn:aws:events:%R:%A:event-bus/%N", "name", "Arn", "Name"},
		"AWS::Logs::LogGroup":           {"LogGroupName", 512, "arn:aws:logs:%R:%A:log-group:%N:*", "name", "Arn", ""},
		"AWS::CloudWatch::Alarm":        {"AlarmName", 255, "arn:aws:cloudwatch:%R:%A:alarm:%N", "name", "Arn", ""},
		"AWS::CloudWatch::Dashboard":    {"DashboardName", 255, "", "name", "", ""},
		"AWS::SES::ConfigurationSet":    {"Name", 64, "", "name", "", ""},
		"AWS::SSM::Parameter":           {"Name", 1011, "", "name", "", ""},
	}[typeName]
	return k, known
}

// reference is the value of Ref to a resource.
func (r *reader) reference(id string) (any, error) {
	name, k, err := r.known(id)
	if err != nil {
		return nil, err
	}
	switch k.ref {
	case "arn":
		return r.arn(id, name, k), nil
	case "url":
		return r.url(name), nil
	}
	return name, nil
}

// attribute is the value of Fn::GetAtt.
func (r *reader) attribute(id, attribute string) (string, error) {
	name, k, err := r.known(id)
	if err != nil {
		return "", err
	}
	switch {
	case attribute == "":
	case attribute == k.arnAs:
		return r.arn(id, name, k), nil
	case attribute == k.nameAs:
		return name, nil
	case attribute == "QueueUrl" && k.ref == "url":
		return r.url(name), nil
	}
	return "", fmt.Errorf("Fn::GetAtt %s.%s is not supported for %s", id, attribute, r.resources[id].Type)
}

// arn is the ARN of a resource.
func (r *reader) arn(id, name string, k kind) string {
	return strings.NewReplacer("%R", r.place.Region, "%A", r.place.Account, "%N", name, "%6", r.suffix(id, 6)).Replace(k.arn)
}

// url is the URL of a queue.
func (r *reader) url(name string) string {
	return r.place.Queues + "/" + r.place.Account + "/" + name
}

// known is the name of a resource that may be referred to.
func (r *reader) known(id string) (string, kind, error) {
	other, there := r.resources[id]
	if !there {
		return "", kind{}, fmt.Errorf("there is no resource or parameter %q", id)
	}
	k, may := kindOf(other.Type)
	if !may {
		return "", kind{}, fmt.Errorf("a reference to %s of type %s is not supported", id, other.Type)
	}
	name, err := r.name(id)
	return name, k, err
}

// name is the physical name of a resource: as written, or made of stack, logical id and a hash of both, so that it
// is the same in every run. CloudFormation makes such names with random letters.
func (r *reader) name(id string) (string, error) {
	other := r.resources[id]
	k, _ := kindOf(other.Type)
	if written, is := other.Properties[k.property]; is {
		if r.naming[id] {
			return "", fmt.Errorf("the name of %s refers to itself", id)
		}
		r.naming[id] = true
		defer delete(r.naming, id)
		value, err := r.resolve(written)
		if err != nil {
			return "", fmt.Errorf("naming %s: %w", id, err)
		}
		if name, isText := value.(string); isText && name != "" {
			return name, nil
		}
		if value != any(absent{}) {
			return "", fmt.Errorf("naming %s: expected text, got %s", id, text(value))
		}
	}
	ending := "-" + r.suffix(id, 12)
	if fifo, _ := other.Properties["FifoQueue"].(bool); fifo && other.Type == "AWS::SQS::Queue" {
		ending += ".fifo"
	}
	name := r.place.Stack + "-" + id
	return name[:min(len(name), k.longest-len(ending))] + ending, nil
}

// suffix is n letters and digits that depend on the stack and the logical id alone.
func (r *reader) suffix(id string, n int) string {
	sum := sha256.Sum256([]byte(r.place.Stack + "/" + id))
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}

// scalar writes text, a number or a boolean out, as CloudFormation does.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// text shows a value in an error: at most its kind, never its content, which may be a secret's.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "a text"
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return fmt.Sprintf("an object with %s", strings.Join(slices.Sorted(maps.Keys(v)), ", "))
	case json.Number, float64:
		return "a number"
	}
	return fmt.Sprintf("a %T", v)
}
