package functions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rollcall/shared/assignment"
	"rollcall/shared/config"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/runtime"
	"rollcall/shared/emulator/service"
	"rollcall/shared/reconcile"
)

// death is a call at which a process is killed: the first of its kind when enough people are as said.
type death struct {
	name      string
	when      moment
	service   string
	operation string
	people    int // at least so many of them
	as        func(assignment.Assignment) bool
}

// matches finds the call. Graph knows no callers by a key; only the planner asks it.
func (d death) matches(c *company, caller string) func(service.Call) bool {
	return func(call service.Call) bool {
		return (call.Caller == caller || call.Service == "graph") && call.Service == d.service &&
			call.Operation == d.operation && (d.as == nil || c.count(d.as) >= d.people)
	}
}

// kill kills a function's process at a death. Before a call means that it never reaches the service: the gateway has it
// by then, and would hand it on although nobody is left who asked. What it gives waits until that call is settled, and
// says whether the function died.
func (c *company) kill(function *runtime.Function, caller string, d death) (died func() bool) {
	settled := make(chan struct{}, 1)
	stop := c.cloud.Watch(gateway.Watcher{After: func(call service.Call) {
		if call.Injected == service.DropCall {
			select {
			case settled <- struct{}{}:
			default:
			}
		}
	}})
	var lost *gateway.Injected
	dead := c.at(d.when, d.matches(c, caller), func() {
		if d.when == before {
			lost = c.lose(d, caller)
		}
		function.Close()
	})
	return func() bool {
		defer stop()
		if !dead() || d.when == after {
			return dead()
		}
		defer lost.Remove()
		ctx, cancel := context.WithTimeout(c.t.Context(), enough)
		defer cancel()
		select {
		case <-settled:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// lose lets no such call of the dead reach the service.
func (c *company) lose(d death, caller string) *gateway.Injected {
	fault := gateway.Fault{Service: d.service, Operation: d.operation, Why: service.DropCall, Caller: caller}
	if d.service == "graph" {
		fault.Caller = ""
	}
	lost, err := c.cloud.Inject(fault)
	if err != nil {
		c.t.Error(err)
	}
	return lost
}

// count is how many people are so. It is asked in the middle of a call, on a goroutine that must not end the test.
func (c *company) count(as func(assignment.Assignment) bool) (n int) {
	for a, err := range c.book.Everyone(context.Background()) {
		if err != nil {
			c.t.Error(err)
			return 0
		}
		if as(a) {
			n++
		}
	}
	return n
}

func anyhow(assignment.Assignment) bool         { return true }
func claimed(a assignment.Assignment) bool      { return !a.Claimed.IsZero() }
func provisioning(a assignment.Assignment) bool { return a.Status == assignment.Provisioning }
func up(a assignment.Assignment) bool           { return a.Status == assignment.Provisioned }

// newcomers are more than the rollout lets through at first, so that a death also falls among those held back.
const newcomers = 5

// scene is a company with a profile in force, whose next tick has everything to do.
func scene(t *testing.T) (c *company, want map[string]assignment.Status) {
	t.Helper()
	c = open(t, unthrottled)
	want = map[string]assignment.Status{}
	var names []string
	for i := range newcomers {
		names = append(names, fmt.Sprintf("person%d", i))
		want[names[i]] = assignment.Provisioned
	}
	c.hire(names...)
	c.group("Sales", names...)
	c.write("sales", nil)
	c.approve(c.start("planner"), "sales")
	return c, want
}

// quick is a worker that does not spare the account.
func (c *company) quick() *runtime.Function { return c.start("worker", config.CallRate+"=100") }

// TestThePlannerIsKilled in the middle of a tick. The next one, after the dead one's lease, makes it whole: everyone
// gets a desktop, nobody two.
func TestThePlannerIsKilled(t *testing.T) {
	for _, d := range []death{
		{name: "before it writes anything", when: before, service: "dynamodb", operation: "PutItem"},
		{name: "while it reads the group", when: before, service: "graph", operation: "GET /groups/{id}/members"},
		{name: "with the first person written", when: after, service: "dynamodb", operation: "PutItem", people: 1, as: anyhow},
		{name: "with most people written", when: after, service: "dynamodb", operation: "PutItem", people: newcomers - 1, as: anyhow},
		{name: "before the jobs are sent", when: before, service: "sqs", operation: "SendMessageBatch"},
		{name: "after the jobs are sent, the answer unseen", when: after, service: "sqs", operation: "SendMessageBatch"},
		{name: "before the lease is given back", when: before, service: "dynamodb", operation: "UpdateItem", people: newcomers, as: anyhow},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			c, want := scene(t)
			planner := c.start("planner")
			died := c.kill(planner, "planner", d)
			err := c.ask(planner, c.scheduled(), new(reconcile.Report))
			if !died() || !errors.Is(err, runtime.ErrClosed) {
				t.Fatalf("the planner did not die there: %v", err)
			}
			next := c.start("planner")
			if said := failure(t, c.ask(next, c.scheduled(), new(reconcile.Report))); !strings.HasPrefix(said, "another run is at work: run by schedule, since ") {
				t.Errorf("while the dead one's lease lasts a tick says %q", said)
			}
			c.halfAnHour()
			c.until(next, c.quick(), want)
			c.checkWhole(want)
		})
	}
}

// TestTheWorkerIsKilled with messages in its hands. They come again after their visibility timeout.
func TestTheWorkerIsKilled(t *testing.T) {
	for _, d := range []death{
		{name: "in the middle of a survey", when: before, service: "ec2", operation: "DescribeSubnets"},
		{name: "before anybody is claimed", when: after, service: "dynamodb", operation: "BatchGetItem"},
		{name: "with one person claimed", when: after, service: "dynamodb", operation: "PutItem", people: 1, as: claimed},
		{name: "before the call, with people claimed", when: before, service: "workspaces", operation: "CreateWorkspaces"},
		{name: "after the call, the answer unseen", when: after, service: "workspaces", operation: "CreateWorkspaces"},
		{name: "with one outcome written", when: after, service: "dynamodb", operation: "PutItem", people: 1, as: provisioning},
		{name: "while it looks how desktops are getting on", when: before, service: "workspaces", operation: "DescribeWorkspaces", people: 1, as: provisioning},
		{name: "with one desktop known to be up", when: after, service: "dynamodb", operation: "PutItem", people: 1, as: up},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			c, want := scene(t)
			planner, worker := c.start("planner"), c.quick()
			died := c.kill(worker, "worker", d)
			var err error
			for range 40 { // a desktop takes half a second to come up
				c.tick(planner)
				if _, err = c.turn(worker); err != nil {
					break
				}
				c.hasten()
			}
			if !died() || !errors.Is(err, runtime.ErrClosed) {
				t.Fatalf("the worker did not die there: %v", err)
			}
			next := c.quick()
			if n, err := c.turn(next); n != 0 || err != nil {
				t.Errorf("%d messages came again before their time, %v", n, err)
			}
			c.halfAnHour()
			c.until(planner, next, want)
			c.checkWhole(want)
		})
	}
}

// checkWhole looks at what must be true once everyone is provisioned: one desktop each, at AWS as in the ledger, and
// nothing left over.
func (c *company) checkWhole(want map[string]assignment.Status) {
	c.t.Helper()
	desktops, people := c.desktops(), c.people()
	for name := range want {
		if desktops[name].ID == "" || desktops[name].ID != people[name].WorkSpace || people[name].Intent != assignment.NoIntent {
			c.t.Errorf("%s has desktop %q, and in the ledger %+v", name, desktops[name].ID, people[name])
		}
	}
	if len(desktops) != len(want) {
		c.t.Errorf("there are %d desktops for %d people", len(desktops), len(want))
	}
	if waiting, dead := c.letters(); len(waiting)+len(dead) != 0 {
		c.t.Errorf("messages that are left: %q, dead: %q", waiting, dead)
	}
}
