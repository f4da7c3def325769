package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
	"rollcall/shared/fleet"
	"rollcall/shared/lane"
	"rollcall/shared/profile"
)

// notes is the ledger in memory, with the time that a table takes.
type notes struct {
	mu    sync.Mutex
	items map[assignment.Key]assignment.Assignment
}

const tableTakes = 10 * time.Millisecond

func (n *notes) Load(_ context.Context, keys []assignment.Key) (map[assignment.Key]assignment.Assignment, error) {
	time.Sleep(tableTakes)
	n.mu.Lock()
	defer n.mu.Unlock()
	found := map[assignment.Key]assignment.Assignment{}
	for _, k := range keys {
		found[k] = n.items[k]
	}
	return found, nil
}

func (n *notes) Save(_ context.Context, a assignment.Assignment, _ ...assignment.Event) (assignment.Assignment, error) {
	time.Sleep(tableTakes)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.items[a.Key].Revision != a.Revision {
		return a, fault.New(fault.Conflict, "somebody else wrote first")
	}
	a.Revision++
	n.items[a.Key] = a
	return a, nil
}

func (n *notes) Stop(context.Context) (profile.Stop, error) { return profile.Stop{}, nil }
func (n *notes) Standings(context.Context) (map[string]profile.Standing, error) {
	return nil, nil
}
func (n *notes) Catalogues(context.Context) ([]desktop.Catalogue, error) { return nil, nil }
func (n *notes) SaveCatalogue(context.Context, desktop.Catalogue) error  { return nil }
func (n *notes) Put(_ context.Context, body, _, reason string) error {
	return fmt.Errorf("a message was buried (%s): %s", reason, body)
}

// crew is a worker over the cloud, and the queue before it.
type crew struct {
	t      *testing.T
	cloud  *cloud
	notes  *notes
	fleets *fleet.Fleets
}

func newCrew(t *testing.T) *crew {
	w := newCloud(t, clock.System{})
	return &crew{t, w, &notes{items: map[assignment.Key]assignment.Assignment{}}, w.fleets()}
}

// invoke is one invocation of the function.
func (c *crew) invoke(messages []lane.Message) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	w := &lane.Worker{
		Installation: "prod", Ledger: c.notes, Switches: c.notes, Catalogues: c.notes, DeadLetters: c.notes, Clock: clock.System{},
		Fleets: func(ctx context.Context, l desktop.Lane) (lane.Account, error) { return c.fleets.Lane(ctx, l) },
	}
	if failed := w.Handle(ctx, messages); len(failed) > 0 {
		c.t.Fatalf("failed: %v", failed)
	}
}

// request asks for desktops for n people, as the planner does, and is the queue with their orders.
func (c *crew) request(n, perMessage int) []lane.Message {
	c.t.Helper()
	spec := desktop.Spec{Bundle: bundle, RunningMode: desktop.AutoStop, AutoStopMinutes: 60}
	var orders []events.Order
	names := make([]string, n)
	now := time.Now()
	for i := range n {
		names[i] = fmt.Sprintf("user%05d", i)
		a := assignment.Assignment{Key: assignment.Key{Person: fmt.Sprintf("person-%05d", i), Slot: "main"}, UserName: names[i], Lane: home, Profile: "all"}
		a = a.Request(now, now.Add(15*time.Minute))
		a.Revision = 1
		c.notes.items[a.Key] = a
		orders = append(orders, events.Order{Key: a.Key, Attempt: 1, Send: 1})
	}
	c.cloud.users(c.t, names...)
	var queue []lane.Message
	for chunk := range slices.Chunk(orders, perMessage) {
		queue = append(queue, c.message(events.Job{Kind: events.Create, Profile: "all", Spec: &spec, Directories: []string{dirID}, Orders: chunk}, len(queue)))
	}
	return queue
}

func (c *crew) message(j events.Job, n int) lane.Message {
	c.t.Helper()
	j.Version, j.ID, j.Lane, j.Issued = 1, fmt.Sprintf("job%d", n), home, time.Now()
	body, err := json.Marshal(j)
	if err != nil {
		c.t.Fatal(err)
	}
	return lane.Message{ID: j.ID, Body: string(body), Group: home.String()}
}

// lambdaBatch is the most messages that Lambda takes from a FIFO queue at a time.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
const lambdaBatch = 10

// drain works the queue off as Lambda does with a FIFO queue: so many messages of the lane at a time, the next ones
// when those are done.
func (c *crew) drain(queue []lane.Message, batch int) (took time.Duration) {
	began := time.Now()
	for messages := range slices.Chunk(queue, batch) {
		c.invoke(messages)
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

// again sends what is still due, as the planner's ticks do, until nobody is left in the status.
func (c *crew) again(status assignment.Status) {
	c.t.Helper()
	for range 60 {
		time.Sleep(5 * time.Minute)
		var orders []events.Order
		for k, a := range c.notes.items {
			if a.Status == status && !a.Due.After(time.Now()) {
				orders = append(orders, events.Order{Key: k, Attempt: a.Attempt, Send: 2})
			}
		}
		if len(orders) == 0 {
			continue
		}
		spec := desktop.Spec{Bundle: bundle, RunningMode: desktop.AutoStop, AutoStopMinutes: 60}
		var queue []lane.Message
		for chunk := range slices.Chunk(orders, events.MostPeople) {
			j := events.Job{Kind: events.Check, Orders: chunk}
			if status == assignment.Requested {
				j = events.Job{Kind: events.Create, Profile: "all", Spec: &spec, Directories: []string{dirID}, Orders: chunk}
			}
			queue = append(queue, c.message(j, len(queue)))
		}
		c.drain(queue, lambdaBatch)
	}
}

func (c *crew) statuses() map[assignment.Status]int {
	n := map[assignment.Status]int{}
	for _, a := range c.notes.items {
		n[a.Status]++
	}
	return n
}

// answersTake is 0.3 to 2 seconds, the same in each run.
func answersTake() func() time.Duration {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return 300*time.Millisecond + time.Duration(random.Int64N(int64(1700*time.Millisecond)))
	}
}

// shortest is the shortest possible time for so many calls at the default rate.
func shortest(calls int) time.Duration {
	return time.Duration(float64(calls) / fleet.DefaultRate * float64(time.Second))
}

// TestTenThousandPeople measures against the shortest possible time: 400 full calls at the configured rate.
//
// Between two invocations the lane waits for the last answer, and the bucket starts empty again: about 1.4 s with
// answers of 0.3 to 2 s, whatever the worker does. How much that is in all depends on how many people an invocation
// is given, which is 10 messages of events.MostPeople. With 25 people a message, 10 calls of 5.6 s, it is a quarter
// on top (1.25); with 50 it would be 1.12, with 100 it would be 1.06.
func TestTenThousandPeople(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch int // messages that an invocation is given
		limit float64
	}{
		{"one invocation: the worker's own share", 10000 / events.MostPeople, 1.02},
		{"40 full calls an invocation", 1000 / events.MostPeople, 1.15},
		{"10 messages an invocation, as Lambda delivers", lambdaBatch, 1.30},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tenThousand(t, c.batch, c.limit) })
		})
	}
}

func tenThousand(t *testing.T, batch int, limit float64) {
	c := newCrew(t)
	c.cloud.latency = answersTake()
	took := c.drain(c.request(10000, events.MostPeople), batch)
	ratio := took.Seconds() / shortest(400).Seconds()
	home := c.cloud.home()
	t.Logf("10,000 people in %.1f s, %.3f times the shortest possible; %d people a message, %d messages an invocation; %d creates, %d throttled",
		took.Seconds(), ratio, events.MostPeople, batch, c.cloud.count("CreateWorkspaces"), home.Throttled())
	if n := c.statuses()[assignment.Provisioning]; n != 10000 || len(home.List()) != 10000 {
		t.Errorf("%d people are provisioning, %d desktops", n, len(home.List()))
	}
	if home.Throttled() > 0 || ratio > limit || ratio < 1 {
		t.Errorf("ratio %.3f, want 1 to %.2f; %d throttled", ratio, limit, home.Throttled())
	}
}

// foreigner is another caller in the account, with so many calls a second, until the context ends.
func (c *crew) foreigner(ctx context.Context, rate float64) {
	client := workspaces.New(workspaces.Options{
		Region: region, HTTPClient: c.cloud, BaseEndpoint: aws.String("http://cloud.test"),
		Credentials: credentials.NewStaticCredentialsProvider("KEY"+account, "s", ""), RetryMaxAttempts: 1,
	})
	for ctx.Err() == nil {
		go func() {
			// Throttled or not: it keeps coming.
			_, _ = client.DescribeWorkspaceDirectories(ctx, &workspaces.DescribeWorkspaceDirectoriesInput{})
		}()
		_ = clock.System{}.SleepUntil(ctx, time.Now().Add(time.Duration(float64(time.Second)/rate)))
	}
}

func TestForeignCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people = 2500
		c := newCrew(t)
		c.cloud.latency = answersTake()
		queue := c.request(people, events.MostPeople)
		ctx, cancel := context.WithCancel(context.Background())
		go c.foreigner(ctx, 1)
		took := c.drain(queue, lambdaBatch)
		if n := c.statuses()[assignment.Requested]; n > 0 {
			t.Logf("%d people are left to be sent again", n)
		}
		throttled := c.cloud.home().Throttled()
		c.again(assignment.Requested)
		cancel()
		t.Logf("%d people in %.1f s beside a caller that takes half of the rate: %.2f times the shortest; %d throttled",
			people, took.Seconds(), took.Seconds()/shortest(people/25).Seconds(), throttled)
		if n := c.statuses(); n[assignment.Provisioning] != people || len(c.cloud.home().List()) != people {
			t.Errorf("%v, %d desktops", n, len(c.cloud.home().List()))
		}
		for _, a := range c.notes.items {
			if a.Attempt != 2 || a.Failures != 0 { // 1 was the create, 2 is the check
				t.Fatalf("an attempt was burned: %+v", a)
			}
		}
	})
}

func TestLostAnswersAndChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people = 100
		c := newCrew(t)
		c.cloud.latency = answersTake()
		c.cloud.home().DropAnswers("CreateWorkspaces", 3)
		c.drain(c.request(people, events.MostPeople), lambdaBatch)
		if n := c.statuses()[assignment.Requested]; n != 75 {
			t.Errorf("%d people have no answer, want 75", n)
		}
		c.again(assignment.Requested)
		c.again(assignment.Provisioning)
		if n := c.statuses(); n[assignment.Provisioned] != people || len(c.cloud.home().List()) != people {
			t.Errorf("%v, %d desktops", n, len(c.cloud.home().List()))
		}
		for _, w := range c.cloud.home().List() {
			a := c.notes.items[assignment.Key{Person: w.Tags[desktop.TagPerson], Slot: "main"}]
			if a.WorkSpace != w.ID {
				t.Errorf("desktop %s of %s: the ledger says %q", w.ID, w.User, a.WorkSpace)
			}
		}
	})
}
