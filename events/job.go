package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
)

// JobVersion is the only version of a job that this release writes and reads.
const JobVersion = 1

// NewJobID is the ID of a job: a hash of what it asks, 64 hexadecimal digits. When it was issued is not part of it,
// nor is the ID that j has: two jobs that ask the same of the same people, by the same attempts and send numbers,
// are one for the queue, which drops the second within its 5 minutes of deduplication.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html
func NewJobID(j Job) string {
	j.ID, j.Issued = "", time.Time{}
	content, err := json.Marshal(j)
	if err != nil {
		panic("events: a job is made of strings and numbers and can always be encoded: " + err.Error())
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Encode is the body of the job's message. The error lists everything that DecodeJob would refuse, so that a
// job which no worker can read is never sent.
func (j Job) Encode() ([]byte, error) {
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("job %s cannot be sent: %w", j.ID, err)
	}
	return json.Marshal(j)
}

// DecodeJob reads the body of a message. It refuses what it does not know, and says of every field that is wrong
// what is expected: an unknown field, another version or kind, a job without people or with more than MostPeople,
// a create without a spec and directories. Such a body will not get better by being read again.
func DecodeJob(body []byte) (Job, error) {
	// The version first: a body of another one may have fields that are unknown here, and that is not what is wrong.
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(body, &head); err == nil && head.Version != nil && *head.Version != JobVersion {
		return Job{}, fmt.Errorf("this job cannot be read: version is %d: expected %d; the planner and the worker are not of one release",
			*head.Version, JobVersion)
	}
	var j Job
	if err := strict(body, &j); err != nil {
		return Job{}, fmt.Errorf("this job cannot be read: %w", err)
	}
	if err := j.check(); err != nil {
		return Job{}, fmt.Errorf("this job cannot be read: %w", err)
	}
	return j, nil
}

// checker collects complaints.
type checker struct{ complaints []string }

func (c *checker) expect(ok bool, format string, args ...any) {
	if !ok {
		c.complaints = append(c.complaints, fmt.Sprintf(format, args...))
	}
}

func (c *checker) err() error {
	if len(c.complaints) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.complaints, "; "))
}

func (j Job) check() error {
	c := &checker{}
	c.expect(j.Version == JobVersion, "version is %d: expected %d", j.Version, JobVersion)
	// The id is also the entry id in a batch: at most 80 of these letters.
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatchRequestEntry.html
	c.expect(regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`).MatchString(j.ID), "id is %q: expected 1 to 80 letters, digits, - or _", j.ID)
	c.expect(!j.Issued.IsZero(), "issued is missing: expected the time at which the job was made")
	j.checkLane(c)
	switch j.Kind {
	case Create:
		c.expect(j.Profile != "", "profile is missing: a create needs the profile's id")
		c.expect(len(j.Directories) > 0, "directories is empty: a create needs one or more to choose from")
		c.expect(len(j.Bundles) == 0, "bundles is set: expected in a survey only")
		j.checkSpec(c)
		j.checkOrders(c)
	case Check:
		c.expect(j.Profile == "" && j.Spec == nil && len(j.Directories) == 0 && len(j.Bundles) == 0,
			"profile, spec, directories or bundles is set: a check has orders only")
		j.checkOrders(c)
	case Survey:
		c.expect(len(j.Directories) > 0, "directories is empty: a survey needs one or more to look at")
		c.expect(j.Profile == "" && j.Spec == nil && len(j.Orders) == 0,
			"profile, spec or orders is set: a survey has directories and bundles only")
	default:
		c.expect(false, "kind is %q: expected %s, %s or %s", j.Kind, Create, Check, Survey)
	}
	c.expectNames("directories", j.Directories)
	c.expectNames("bundles", j.Bundles)
	return c.err()
}

func (c *checker) expectNames(field string, names []string) {
	for i, n := range names {
		c.expect(n != "", "%s[%d] is empty: expected an id", field, i)
	}
}

func (j Job) checkLane(c *checker) {
	c.expect(regexp.MustCompile(`^[0-9]{12}$`).MatchString(j.Lane.Account), "lane.account is %q: expected 12 digits", j.Lane.Account)
	c.expect(regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`).MatchString(j.Lane.Region),
		"lane.region is %q: expected a Region such as eu-central-1", j.Lane.Region)
}

func (j Job) checkSpec(c *checker) {
	if j.Spec == nil {
		c.expect(false, "spec is missing: a create needs it")
		return
	}
	c.expect(j.Spec.Bundle != "", "spec.bundle is missing: expected wsb-…")
	c.expect(j.Spec.RunningMode == desktop.AutoStop || j.Spec.RunningMode == desktop.AlwaysOn,
		"spec.runningMode is %q: expected %s or %s", j.Spec.RunningMode, desktop.AutoStop, desktop.AlwaysOn)
}

func (j Job) checkOrders(c *checker) {
	c.expect(len(j.Orders) >= 1 && len(j.Orders) <= MostPeople, "orders has %d people: expected 1 to %d", len(j.Orders), MostPeople)
	seen := map[assignment.Key]bool{}
	for i, o := range j.Orders {
		c.expect(o.Person != "", "orders[%d].person is missing: expected an Entra object id", i)
		c.expect(o.Slot != "", "orders[%d].slot is missing", i)
		c.expect(o.Attempt >= 1, "orders[%d].attempt is %d: expected 1 or more", i, o.Attempt)
		c.expect(o.Send >= 0, "orders[%d].send is %d: expected 0 or more", i, o.Send)
		c.expect(!seen[o.Key], "orders[%d] is %s: named twice in one job", i, o.Key)
		seen[o.Key] = true
	}
}
