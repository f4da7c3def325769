package sqs

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"rollcall/shared/emulator/service"
)

// rule is what an attribute may be, as
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html says.
type rule struct {
	standard string   // the default; empty: not shown until set
	min, max int      // of a number; both zero: no number
	oneOf    []string // the values allowed; empty: any
	fifo     bool     // of FIFO queues only
}

func rules() map[string]rule {
	either := []string{"true", "false"}
	return map[string]rule{
		"DelaySeconds":                  {standard: "0", max: 900},
		"MaximumMessageSize":            {standard: strconv.Itoa(largest), min: 1024, max: largest},
		"MessageRetentionPeriod":        {standard: "345600", min: 60, max: 1209600},
		"ReceiveMessageWaitTimeSeconds": {standard: "0", max: 20},
		"VisibilityTimeout":             {standard: "30", max: 43200},
		"KmsDataKeyReusePeriodSeconds":  {min: 60, max: 86400},
		"KmsMasterKeyId":                {},
		"SqsManagedSseEnabled":          {standard: "true", oneOf: either},
		"Policy":                        {},
		"RedrivePolicy":                 {},
		"RedriveAllowPolicy":            {},
		"FifoQueue":                     {oneOf: either, fifo: true},
		"ContentBasedDeduplication":     {standard: "false", oneOf: either, fifo: true},
		"DeduplicationScope":            {standard: "queue", oneOf: []string{"queue", "messageGroup"}, fifo: true},
		"FifoThroughputLimit":           {standard: "perQueue", oneOf: []string{"perQueue", "perMessageGroupId"}, fifo: true},
	}
}

// counted are the attributes that are looked up, never set.
func counted() []string {
	return []string{
		"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed",
		"ApproximateNumberOfMessagesNotVisible", "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
	}
}

// attribute is a settable attribute's value: as set, or its default, or empty.
func (q *queue) attribute(name string) string {
	if value, ok := q.attributes[name]; ok {
		return value
	}
	if name == "FifoQueue" && q.fifo {
		return "true"
	}
	r := rules()[name]
	if r.fifo && !q.fifo {
		return ""
	}
	return r.standard
}

// checkAttributes gives the attributes in their stored form, or refuses the first (by name) that is wrong.
func (s *Service) checkAttributes(a address, given map[string]string) (map[string]string, error) {
	stored := map[string]string{}
	fifo := strings.EqualFold(given["FifoQueue"], "true")
	known := rules()
	for _, name := range sortedKeys(given) {
		r, ok := known[name]
		switch {
		case !ok:
			return nil, unknownAttribute(name)
		case r.fifo && !fifo && (name == "DeduplicationScope" || name == "FifoThroughputLimit"):
			return nil, attributeName("You can specify the " + name + " only when FifoQueue is set to true.")
		case r.fifo && !fifo:
			return nil, unknownAttribute(name)
		}
		value, err := r.check(name, given[name])
		if err != nil {
			return nil, err
		}
		if name == "RedrivePolicy" && value != "" {
			if _, err := s.checkRedrive(a, fifo, value); err != nil {
				return nil, err
			}
		}
		stored[name] = value
	}
	if stored["FifoThroughputLimit"] == "perMessageGroupId" && stored["DeduplicationScope"] != "messageGroup" {
		return nil, attributeValue("FifoThroughputLimit", "perMessageGroupId needs DeduplicationScope messageGroup.")
	}
	return stored, nil
}

// check gives a value in its stored form. Booleans may be written "True" (aws.validated).
func (r rule) check(name, value string) (string, error) {
	if r.max > 0 {
		n, err := strconv.Atoi(value)
		if err != nil || n < r.min || n > r.max {
			return "", attributeValue(name, "")
		}
		return strconv.Itoa(n), nil
	}
	if len(r.oneOf) == 0 {
		return value, nil
	}
	for _, allowed := range r.oneOf {
		if value == allowed || (r.oneOf[0] == "true" && strings.EqualFold(value, allowed)) {
			return allowed, nil
		}
	}
	return "", attributeValue(name, "")
}

func (s *Service) setAttributes(who service.Caller, in setAttributesInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return none{}, err
	}
	given := maps.Clone(in.Attributes)
	if kind, ok := given["FifoQueue"]; ok {
		if !q.fifo {
			return none{}, unknownAttribute("FifoQueue")
		}
		if !strings.EqualFold(kind, "true") {
			return none{}, attributeValue("FifoQueue", "Modifying queue type is not supported.")
		}
	}
	if q.fifo && given != nil {
		given["FifoQueue"] = "true"
		if _, ok := given["DeduplicationScope"]; !ok && given["FifoThroughputLimit"] != "" {
			given["DeduplicationScope"] = q.attribute("DeduplicationScope")
		}
	}
	stored, err := s.checkAttributes(q.address, given)
	if err != nil {
		return none{}, err
	}
	for name, value := range stored {
		q.attributes[name] = value
		if value == "" {
			delete(q.attributes, name)
		}
	}
	q.modified = s.clock.Now()
	return none{}, nil
}

func (s *Service) getAttributes(who service.Caller, in getAttributesInput) (attributesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return attributesOutput{}, err
	}
	known := rules()
	names := in.AttributeNames
	if slices.Contains(names, "All") {
		names = append(sortedKeys(known), counted()...)
	}
	depth := q.depth(s.clock.Now())
	out := attributesOutput{Attributes: map[string]string{}}
	for _, name := range names {
		value, ok := q.counted(name, depth)
		if _, settable := known[name]; !ok && !settable {
			return attributesOutput{}, unknownAttribute(name)
		}
		if !ok {
			value = q.attribute(name)
		}
		if value != "" {
			out.Attributes[name] = value
		}
	}
	return out, nil
}

func (q *queue) counted(name string, depth Depth) (string, bool) {
	switch name {
	case "ApproximateNumberOfMessages":
		return strconv.Itoa(depth.Waiting), true
	case "ApproximateNumberOfMessagesDelayed":
		return strconv.Itoa(depth.Delayed), true
	case "ApproximateNumberOfMessagesNotVisible":
		return strconv.Itoa(depth.InFlight), true
	case "CreatedTimestamp":
		return strconv.FormatInt(q.created.Unix(), 10), true
	case "LastModifiedTimestamp":
		return strconv.FormatInt(q.modified.Unix(), 10), true
	case "QueueArn":
		return q.arn(), true
	}
	return "", false
}

// redrive is a RedrivePolicy: where a message goes that was received too often.
type redrive struct {
	to    address
	after int
}

// checkRedrive reads a policy for the queue at a; the dead-letter queue must be there, in the same account and
// Region, and of the same kind.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
func (s *Service) checkRedrive(a address, fifo bool, text string) (redrive, error) {
	refuse := func(reason string) (redrive, error) {
		return redrive{}, invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, reason)
	}
	var policy struct {
		DeadLetterTargetArn string          `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"`
	}
	if json.Unmarshal([]byte(text), &policy) != nil {
		return refuse("Redrive policy is not a valid JSON map.")
	}
	if policy.DeadLetterTargetArn == "" || policy.MaxReceiveCount == nil {
		return refuse("Redrive policy does not contain mandatory attribute: deadLetterTargetArn and maxReceiveCount.")
	}
	after, err := strconv.Atoi(strings.Trim(string(policy.MaxReceiveCount), `"`)) // a number or a string (aws.validated)
	if err != nil || after < 1 || after > 1000 {
		return refuse("Invalid value for maxReceiveCount: must be an integer from 1 to 1000.")
	}
	part := strings.Split(policy.DeadLetterTargetArn, ":")
	if len(part) != 6 || part[2] != "sqs" {
		return refuse("Dead letter target is not a valid ARN.")
	}
	to := s.queues[address{account: part[4], region: part[3], name: part[5]}]
	if to == nil || to.account != a.account || to.region != a.region {
		return refuse("Dead letter target does not exist.")
	}
	if to.fifo != fifo {
		return refuse("Dead letter queue must be same type of queue as the source.")
	}
	return redrive{to: to.address, after: after}, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
