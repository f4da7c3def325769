package sqs

import (
	"container/list"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of messages: a message with its attributes, and all messages of a batch together, are at most 1 MiB
// (since August 2025; 256 KiB before).
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
const (
	largest        = 1 << 20
	mostAttributes = 10
)

// message is one message in a queue. Its queue's lock guards it.
type message struct {
	id       string
	body     string
	group    string // empty where none was given
	dedup    string
	sequence string // FIFO only
	sender   string
	users    map[string]attribute // message attributes
	systems  map[string]attribute // message system attributes

	sent     time.Time
	enqueued time.Time     // from here retention counts; a move to a FIFO dead-letter queue starts it anew
	delay    time.Duration // of a standard queue; in a FIFO queue the queue's own counts
	source   string        // ARN of the queue that it was moved from

	receives int       // over all queues
	first    time.Time // first received
	last     time.Time // last received
	hidden   time.Time // invisible until then
	changes  int       // of its visibility since it was last received

	home  *group
	place *list.Element
}

// state is where a message stands at one instant.
type state int

const (
	waiting  state = iota // may be received
	delayed               // not yet
	inFlight              // received, neither deleted nor visible again
)

func (q *queue) stateOf(m *message, now time.Time) state {
	switch {
	case m.hidden.After(now):
		return inFlight
	case m.receives == 0 && q.available(m).After(now):
		return delayed
	}
	return waiting
}

// available is when the message's delay ends. In a FIFO queue a change of the queue's delay reaches messages that
// are there already; in a standard queue it does not.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html
func (q *queue) available(m *message) time.Time {
	if q.fifo {
		return m.sent.Add(q.duration("DelaySeconds"))
	}
	return m.sent.Add(m.delay)
}

// handle is the receipt handle of the message's latest receive: it names queue, message and receive.
func (q *queue) handle(m *message) string {
	return base64.StdEncoding.EncodeToString([]byte(q.arn() + " " + m.id + " " + strconv.Itoa(m.receives)))
}

// open reads a receipt handle. A message that is gone is nil; latest tells whether the handle is of the message's
// latest receive.
func (q *queue) open(handle string) (m *message, latest bool, err error) {
	if handle == "" {
		return nil, false, missingParameter("ReceiptHandle")
	}
	text, err := base64.StdEncoding.DecodeString(handle)
	part := strings.Split(string(text), " ")
	if err != nil || len(part) != 3 || part[0] != q.arn() {
		return nil, false, handleInvalid(handle)
	}
	m = q.byID[part[1]]
	return m, m != nil && part[2] == strconv.Itoa(m.receives), nil
}

func sizeOf(body string, attributes map[string]attribute) int {
	size := len(body)
	for name, a := range attributes {
		size += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			size += len(*a.StringValue)
		}
	}
	return size
}

// validBody reports whether every character is one that SQS takes.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func validBody(body string) bool {
	for _, r := range body {
		ok := r == 0x9 || r == 0xA || r == 0xD || (r >= 0x20 && r <= 0xD7FF) || (r >= 0xE000 && r <= 0xFFFD) || r >= 0x10000
		if !ok {
			return false
		}
	}
	return true
}

var attributeChars = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,256}$`)

// checkMessageAttributes refuses what
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html does not allow.
func checkMessageAttributes(attributes map[string]attribute) error {
	if len(attributes) > mostAttributes {
		return invalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(attributes), mostAttributes)
	}
	for _, name := range sortedKeys(attributes) {
		a, lower := attributes[name], strings.ToLower(name)
		if !attributeChars.MatchString(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") ||
			strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
			return invalidParameter("The message attribute name '%s' is invalid.", name)
		}
		kind, _, _ := strings.Cut(a.DataType, ".")
		empty := a.StringValue == nil || *a.StringValue == ""
		switch kind {
		case "Binary":
			empty = len(a.BinaryValue) == 0
		case "String", "Number":
		default:
			return invalidParameter("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		}
		if empty {
			return invalidParameter("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, a.DataType)
		}
		if _, err := strconv.ParseFloat(deref(a.StringValue), 64); kind == "Number" && err != nil {
			return invalidParameter("Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
	}
	return nil
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is the digest that the service answers for attributes; empty where there are none.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func md5OfAttributes(attributes map[string]attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	digest := md5.New()
	for _, name := range sortedKeys(attributes) {
		a := attributes[name]
		addPart(digest, []byte(name))
		addPart(digest, []byte(a.DataType))
		if strings.HasPrefix(a.DataType, "Binary") {
			digest.Write([]byte{2})
			addPart(digest, a.BinaryValue)
			continue
		}
		digest.Write([]byte{1})
		addPart(digest, []byte(deref(a.StringValue)))
	}
	return hex.EncodeToString(digest.Sum(nil))
}

func addPart(digest hash.Hash, part []byte) {
	digest.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
	digest.Write(part)
}

// sequenceText is a sequence number as the service writes it: 20 digits.
func sequenceText(n int64) string { return fmt.Sprintf("%020d", n) }

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
