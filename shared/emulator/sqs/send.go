package sqs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"rollcall/shared/emulator/service"
)

// deduplicationInterval is how long a FIFO queue swallows a repeat, counted from the first sending.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html
const deduplicationInterval = 5 * time.Minute

const longestDelay = 900 // seconds

// sighting is a message that was accepted, kept to know its repeats by. It outlives the message.
type sighting struct {
	at  time.Time
	out sendOutput
}

var fifoID = regexp.MustCompile("^[a-zA-Z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

func checkID(parameter string, id *string) error {
	if id != nil && !fifoID.MatchString(*id) {
		return invalidParameter("Value %s for parameter %s is invalid. Reason: %s can only include alphanumeric and punctuation characters. 1 to 128 in length.", *id, parameter, parameter)
	}
	return nil
}

// checkFIFO refuses what is wrong with a letter's ids. In a batch such a letter fails the whole request, and a
// missing group id has another code than alone (aws.validated).
func (q *queue) checkFIFO(l letter, batch bool) error {
	if err := checkID("MessageGroupId", l.MessageGroupId); err != nil {
		return err
	}
	if !q.fifo {
		if l.MessageDeduplicationId != nil {
			return invalidParameter("Value %s for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.", *l.MessageDeduplicationId)
		}
		return nil
	}
	if l.DelaySeconds != nil && *l.DelaySeconds != 0 {
		return invalidParameter("Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.", *l.DelaySeconds)
	}
	if l.MessageGroupId == nil {
		missing := missingParameter("MessageGroupId")
		if batch {
			return invalidParameter("%s", missing.message)
		}
		return missing
	}
	if l.MessageDeduplicationId == nil && q.attribute("ContentBasedDeduplication") != "true" {
		return invalidParameter("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return checkID("MessageDeduplicationId", l.MessageDeduplicationId)
}

// checkLetter refuses what is wrong with a letter's content.
func (q *queue) checkLetter(l letter) error {
	body := deref(l.MessageBody)
	if body == "" {
		return missingParameter("MessageBody")
	}
	if !validBody(body) {
		return contentsInvalid()
	}
	if err := checkMessageAttributes(l.MessageAttributes); err != nil {
		return err
	}
	for _, name := range sortedKeys(l.MessageSystemAttributes) {
		if name != "AWSTraceHeader" || l.MessageSystemAttributes[name].DataType != "String" {
			return invalidParameter("Message system attribute name '%s' is invalid.", name)
		}
	}
	if most := q.number("MaximumMessageSize"); sizeOf(body, l.MessageAttributes) > most {
		return invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", most)
	}
	if d := l.DelaySeconds; d != nil && (*d < 0 || *d > longestDelay) {
		return invalidParameter("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= %d.", *d, longestDelay)
	}
	return nil
}

func (s *Service) sendMessage(who service.Caller, in sendInput) (sendOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return sendOutput{}, err
	}
	if err := q.checkLetter(in.letter); err != nil {
		return sendOutput{}, err
	}
	if err := q.checkFIFO(in.letter, false); err != nil {
		return sendOutput{}, err
	}
	return q.accept(in.letter, who, s.clock.Now()), nil
}

func (s *Service) sendBatch(who service.Caller, in sendBatchInput) (batchOutput[sendSuccess], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out batchOutput[sendSuccess]
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return out, err
	}
	if err := checkEntries(in.Entries, func(e sendEntry) string { return e.Id }); err != nil {
		return out, err
	}
	total := 0
	for _, e := range in.Entries {
		total += sizeOf(deref(e.MessageBody), e.MessageAttributes)
	}
	if total > largest {
		return out, batchProblem("BatchRequestTooLong", fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", largest, total))
	}
	for _, e := range in.Entries {
		if err := q.checkFIFO(e.letter, true); err != nil {
			return out, err
		}
	}
	now := s.clock.Now()
	for _, e := range in.Entries {
		if err := q.checkLetter(e.letter); err != nil {
			out.Failed = append(out.Failed, failure(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, sendSuccess{e.Id, q.accept(e.letter, who, now)})
	}
	return out, nil
}

// accept puts a letter that was checked into the queue. A repeat within the deduplication interval is answered
// like the first and not put; that its answer carries the first one's MessageId is not documented.
func (q *queue) accept(l letter, who service.Caller, now time.Time) sendOutput {
	m := &message{
		id: newUUID(), body: *l.MessageBody, group: deref(l.MessageGroupId), sender: senderOf(who),
		users: l.MessageAttributes, systems: l.MessageSystemAttributes,
		sent: now, enqueued: now, delay: q.duration("DelaySeconds"),
	}
	if l.DelaySeconds != nil {
		m.delay = time.Duration(*l.DelaySeconds) * time.Second
	}
	out := sendOutput{
		MessageId: m.id, MD5OfMessageBody: md5Hex(m.body),
		MD5OfMessageAttributes:       md5OfAttributes(m.users),
		MD5OfMessageSystemAttributes: md5OfAttributes(m.systems),
	}
	if q.fifo {
		m.dedup = deduplicationID(l)
		key := q.sightingKey(m)
		if seen, ok := q.seen(key, now); ok {
			return seen.out
		}
		q.sequence++
		m.sequence = sequenceText(q.sequence)
		out.SequenceNumber = m.sequence
		q.sightings[key] = sighting{now, out}
		q.expiring = append(q.expiring, key)
	}
	q.put(m)
	return out
}

// deduplicationID is the given id, or the SHA-256 of the body (not of the attributes).
func deduplicationID(l letter) string {
	if l.MessageDeduplicationId != nil {
		return *l.MessageDeduplicationId
	}
	sum := sha256.Sum256([]byte(*l.MessageBody))
	return hex.EncodeToString(sum[:])
}

// sightingKey is what makes two messages the same: the id, in the queue or in the group.
func (q *queue) sightingKey(m *message) string {
	if q.attribute("DeduplicationScope") == "messageGroup" {
		return m.group + " " + m.dedup
	}
	return " " + m.dedup
}

// seen is the sighting of key within the interval; older ones are forgotten.
func (q *queue) seen(key string, now time.Time) (sighting, bool) {
	for len(q.expiring) > 0 && !q.sightings[q.expiring[0]].at.Add(deduplicationInterval).After(now) {
		delete(q.sightings, q.expiring[0])
		q.expiring = q.expiring[1:]
	}
	found, ok := q.sightings[key]
	return found, ok
}

// senderOf is the SenderId: who called, as far as that is known.
func senderOf(who service.Caller) string {
	for _, id := range []string{who.Name, who.Key, who.Account} {
		if id != "" {
			return id
		}
	}
	return ""
}

// failure is how a batch tells of one entry.
func failure(id string, err error) batchFailure {
	var p problem
	if !errors.As(err, &p) {
		p = problem{code: "InternalError", message: err.Error(), status: http.StatusInternalServerError}
	}
	return batchFailure{Id: id, SenderFault: p.status < http.StatusInternalServerError, Code: p.code, Message: p.message}
}

var entryID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,80}$`)

const mostEntries = 10

// checkEntries refuses a batch that is empty or too long, and ids that are wrong or not distinct.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
func checkEntries[Entry any](entries []Entry, id func(Entry) string) error {
	if len(entries) == 0 {
		return batchProblem("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > mostEntries {
		return batchProblem("TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", mostEntries, len(entries)))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if !entryID.MatchString(id(e)) {
			return batchProblem("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
	}
	for _, e := range entries {
		if seen[id(e)] {
			return batchProblem("BatchEntryIdsNotDistinct", "Id "+id(e)+" repeated.")
		}
		seen[id(e)] = true
	}
	return nil
}
