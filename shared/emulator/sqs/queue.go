package sqs

import (
	"container/list"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/shared/emulator/service"
)

// Limits of queues.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html
const (
	deletionRest = 60 * time.Second // a name is not free before
	purgeRest    = 60 * time.Second // one purge in that time
	fifoSuffix   = ".fifo"
	mostListed   = 1000
)

// address is what makes a queue one queue.
type address struct{ account, region, name string }

func (a address) arn() string {
	return "arn:aws:sqs:" + a.region + ":" + a.account + ":" + a.name
}

type deletion struct{ at time.Time }

// queue is one queue and everything in it. Its Service's lock guards it.
type queue struct {
	address
	url        string
	fifo       bool
	attributes map[string]string // as set; defaults are not in it
	created    time.Time
	modified   time.Time
	purged     time.Time

	// turns are the groups that hold messages, in the order in which they are served. A standard queue has one.
	turns  []*group
	groups map[string]*group
	byID   map[string]*message

	sequence  int64
	sightings map[string]sighting // by deduplication scope and id
	expiring  []string            // keys of sightings, the oldest first
	attempts  map[string]attempt  // by receive request attempt id
}

// group is a message group: its messages in the order in which they came.
type group struct {
	id       string
	messages *list.List // of *message
}

func newQueue(a address, url string, attributes map[string]string, now time.Time) *queue {
	q := &queue{address: a, url: url, fifo: strings.HasSuffix(a.name, fifoSuffix), attributes: attributes, created: now, modified: now}
	q.empty()
	return q
}

// empty forgets every message, what was seen and what was tried (a purge clears deduplication too; aws.validated).
func (q *queue) empty() {
	q.turns, q.groups, q.byID = nil, map[string]*group{}, map[string]*message{}
	q.sightings, q.expiring, q.attempts = map[string]sighting{}, nil, map[string]attempt{}
}

// put adds a message at the end of its group.
func (q *queue) put(m *message) {
	id := ""
	if q.fifo {
		id = m.group
	}
	g := q.groups[id]
	if g == nil {
		g = &group{id: id, messages: list.New()}
		q.groups[id] = g
		q.turns = append(q.turns, g)
	}
	m.home, m.place = g, g.messages.PushBack(m)
	q.byID[m.id] = m
}

// take removes a message, and its group when that is empty.
func (q *queue) take(m *message) {
	m.home.messages.Remove(m.place)
	delete(q.byID, m.id)
	if m.home.messages.Len() > 0 {
		return
	}
	delete(q.groups, m.home.id)
	q.turns = slices.DeleteFunc(q.turns, func(g *group) bool { return g == m.home })
}

// expire drops what is older than the retention period.
func (q *queue) expire(now time.Time) {
	oldest := now.Add(-q.duration("MessageRetentionPeriod"))
	for _, g := range slices.Clone(q.turns) {
		for e := g.messages.Front(); e != nil; {
			m := e.Value.(*message)
			e = e.Next()
			if !m.enqueued.After(oldest) {
				q.take(m)
			} else if q.fifo {
				break // a group of a FIFO queue is in the order of its times; a standard dead-letter queue is not
			}
		}
	}
}

var (
	standardName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,80}$`)
	fifoName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,75}\.fifo$`)
)

func checkName(name string, fifo bool) error {
	if name == "" {
		return missingParameter("QueueName")
	}
	if fifo && !fifoName.MatchString(name) {
		return invalidParameter("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	if !fifo && !standardName.MatchString(name) {
		return invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

func (s *Service) createQueue(who service.Caller, in createInput) (urlOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	a := address{who.Account, who.Region, in.QueueName}
	attributes, err := s.checkAttributes(a, in.Attributes)
	if err != nil {
		return urlOutput{}, err
	}
	if err := checkName(in.QueueName, attributes["FifoQueue"] == "true"); err != nil {
		return urlOutput{}, err
	}
	if there := s.queues[a]; there != nil {
		return urlOutput{there.url}, there.sameAs(attributes)
	}
	if gone, ok := s.deleted[a]; ok && now.Before(gone.at.Add(deletionRest)) {
		return urlOutput{}, deletedRecently()
	}
	delete(s.deleted, a)
	q := newQueue(a, s.url(a), attributes, now)
	s.queues[a] = q
	return urlOutput{q.url}, nil
}

// sameAs refuses attributes that differ from the queue's own. What is not given is not compared.
func (q *queue) sameAs(attributes map[string]string) error {
	for _, name := range sortedKeys(attributes) {
		if q.attribute(name) != attributes[name] {
			return queueExists(name)
		}
	}
	return nil
}

func (s *Service) deleteQueue(who service.Caller, in queueInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return none{}, err
	}
	delete(s.queues, q.address)
	s.deleted[q.address] = deletion{s.clock.Now()}
	return none{}, nil
}

func (s *Service) getQueueURL(who service.Caller, in urlInput) (urlOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account := who.Account
	if in.QueueOwnerAWSAccountId != "" {
		account = in.QueueOwnerAWSAccountId
	}
	q := s.queues[address{account, who.Region, in.QueueName}]
	if q == nil || account != who.Account {
		return urlOutput{}, noSuchQueue()
	}
	return urlOutput{q.url}, nil
}

// listQueues lists by name. The token is the name to go on after.
func (s *Service) listQueues(who service.Caller, in listInput) (listOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := mostListed
	if in.MaxResults != nil {
		most = *in.MaxResults
	}
	if most < 1 || most > mostListed {
		return listOutput{}, invalidParameter("Value for parameter MaxResults is invalid. Reason: Must be an integer from 1 to %d.", mostListed)
	}
	var found []*queue
	for a, q := range s.queues {
		if a.account == who.Account && a.region == who.Region && strings.HasPrefix(a.name, in.QueueNamePrefix) && a.name > in.NextToken {
			found = append(found, q)
		}
	}
	slices.SortFunc(found, func(a, b *queue) int { return strings.Compare(a.name, b.name) })
	var out listOutput
	if in.MaxResults != nil && len(found) > most {
		out.NextToken = found[most-1].name
	}
	for _, q := range found[:min(most, len(found))] {
		out.QueueUrls = append(out.QueueUrls, q.url)
	}
	return out, nil
}

func (s *Service) purgeQueue(who service.Caller, in queueInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(who, in.QueueUrl)
	if err != nil {
		return none{}, err
	}
	now := s.clock.Now()
	if !q.purged.IsZero() && now.Before(q.purged.Add(purgeRest)) {
		return none{}, purgeInProgress(q.name)
	}
	q.purged = now
	q.empty()
	return none{}, nil
}

// find is the caller's queue of that URL, with what has expired taken out. A bare name is taken too (aws.validated).
func (s *Service) find(who service.Caller, url string) (*queue, error) {
	if url == "" {
		return nil, missingParameter("QueueUrl")
	}
	account, name := splitURL(url)
	if account == "" {
		account = who.Account
	}
	q := s.queues[address{account, who.Region, name}]
	if q == nil || account != who.Account {
		return nil, noSuchQueue()
	}
	q.expire(s.clock.Now())
	return q, nil
}

func (s *Service) url(a address) string {
	base := s.options.BaseURL
	if base == "" {
		base = "https://sqs." + a.region + ".amazonaws.com"
	}
	return fmt.Sprintf("%s/%s/%s", base, a.account, a.name)
}

// splitURL reads the last two parts of a queue's URL; account is empty for a bare name.
func splitURL(url string) (account, name string) {
	rest, name, found := cutLast(url, "/")
	if !found {
		return "", url
	}
	_, account, _ = cutLast(rest, "/")
	return account, name
}

func cutLast(text, sep string) (before, after string, found bool) {
	at := strings.LastIndex(text, sep)
	if at < 0 {
		return "", text, false
	}
	return text[:at], text[at+len(sep):], true
}

// duration is an attribute that counts seconds.
func (q *queue) duration(name string) time.Duration {
	return time.Duration(q.number(name)) * time.Second
}

// number is an attribute that is a number, as checkAttributes let it in.
func (q *queue) number(name string) int {
	n, err := strconv.Atoi(q.attribute(name))
	if err != nil {
		panic("sqs: attribute " + name + " of " + q.name + " is no number")
	}
	return n
}
