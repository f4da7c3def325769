package scenario

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rollcall/events"
	"rollcall/shared/assignment"
	"rollcall/shared/boot"
	"rollcall/shared/boot/planning"
	"rollcall/shared/boot/working"
	"rollcall/shared/clock"
	"rollcall/shared/config"
	"rollcall/shared/emulator"
	"rollcall/shared/emulator/sts"
	"rollcall/shared/ledger"
	"rollcall/shared/reconcile"
)

// Options are what a play is started with.
type Options struct {
	// Template is the stack's CloudFormation template.
	Template []byte
	// Modules is the folder node_modules with dynalite; empty: the nearest at or above the working directory.
	Modules string
	// Watch is told every moment as it happens; nil tells nobody.
	Watch func(Moment)
	// Log gets what the functions log; nil discards it.
	Log io.Writer
}

// player is a scenario under way.
type player struct {
	Scenario
	clock   *clock.Manual
	cloud   *emulator.Cloud
	cast    *cast
	planner *planning.Function
	worker  *working.Function
	book    *ledger.Ledger
	rows    *ledger.Profiles
	watch   func(Moment)

	known  map[assignment.Key]assignment.Assignment // as of the last moment
	logged int                                      // calls counted so far
	report *Report
}

// Play plays a scenario to its end, or until ctx ends. It leaves nothing running.
func Play(ctx context.Context, s Scenario, o Options) (report *Report, err error) {
	p := &player{
		Scenario: s, clock: clock.NewManual(s.Start), watch: o.Watch, known: map[assignment.Key]assignment.Assignment{},
		report: &Report{Name: s.Name, About: s.About, Start: s.Start, Tick: s.Tick.String()},
	}
	if p.watch == nil {
		p.watch = func(Moment) {}
	}
	p.cloud, err = emulator.Start(ctx, emulator.Options{Template: o.Template, Clock: p.clock, Seed: s.Seed, Modules: o.Modules})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.cloud.Close()) }()
	if err := p.assemble(o.Log); err != nil {
		return nil, err
	}
	if err := p.furnish(ctx); err != nil {
		return nil, fmt.Errorf("furnishing scenario %q: %w", s.Name, err)
	}
	if err := p.play(ctx); err != nil {
		return nil, err
	}
	return p.report, p.sumUp(ctx)
}

// assemble puts the functions together as they are deployed: from the environment that the stack gives them.
func (p *player) assemble(log io.Writer) error {
	if log == nil {
		log = io.Discard
	}
	planner, err := p.cloud.Function("planner")
	if err != nil {
		return err
	}
	worker, err := p.cloud.Function("worker")
	if err != nil {
		return err
	}
	plannerSettings, err := config.ReadPlanner(planner.Getenv)
	if err != nil {
		return fmt.Errorf("the planner in the stack: %w", err)
	}
	workerSettings, err := config.ReadWorker(worker.Getenv)
	if err != nil {
		return fmt.Errorf("the worker in the stack: %w", err)
	}
	if err := p.joinMembers(&workerSettings); err != nil {
		return err
	}
	p.planner = planning.New(plannerSettings, planning.Edges{
		AWS: p.identity("planner"), Clock: p.clock,
		Transport: p.cloud.Gateway().Client().Transport, Log: boot.Log(log, slog.LevelInfo, "planner"),
	})
	p.worker = working.New(workerSettings, working.Edges{
		AWS: p.identity("worker"), Clock: p.clock,
		Log: boot.Log(log, slog.LevelInfo, "worker"),
	})
	tables := dynamodb.NewFromConfig(p.cloud.Config(onlooker, "", ""))
	p.book = ledger.New(tables, plannerSettings.LedgerTable, ledger.WithClock(p.clock))
	p.rows = ledger.NewProfiles(tables, plannerSettings.ProfilesTable)
	return nil
}

// memberRole is the role in other accounts, with its external id, as the stack's settings name them by default.
const memberRole, externalID = "rollcall-member", "rollcall"

// joinMembers gives the worker a role in each account of the scenario that is not rollcall's own, as an administrator
// does with the setting memberAccounts and the role in that account.
func (p *player) joinMembers(settings *config.Worker) error {
	for _, place := range p.AWS {
		if place.Account == settings.Account {
			continue
		}
		settings.MemberRole, settings.ExternalID = memberRole, externalID
		role := sts.Role{ARN: "arn:aws:iam::" + place.Account + ":role/" + memberRole, Trusts: []string{settings.Account}, ExternalID: externalID}
		if err := p.cloud.Roles.AddRole(role); err != nil {
			return fmt.Errorf("making the role in account %s: %w", place.Account, err)
		}
	}
	return nil
}

// onlooker is the name under which the player itself reads the ledger; its calls are not counted.
const onlooker = "onlooker"

// identity is a function's AWS configuration. The SDK waits between its attempts on the machine's clock, so those
// waits are cut to nothing here: a fault is there to be met, not to be waited for.
func (p *player) identity(function string) aws.Config {
	c := p.cloud.Config(function, "", "")
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Millisecond })
	}
	return c
}

// play goes from tick to tick. What the timeline says happens at its own time, in the order of the file.
func (p *player) play(ctx context.Context) error {
	timeline := p.Timeline
	for at := Duration(0); at <= p.For; at += p.Tick {
		for len(timeline) > 0 && timeline[0].At <= at {
			if err := p.happen(ctx, timeline[0]); err != nil {
				return fmt.Errorf("after %s: %w", timeline[0].At, err)
			}
			timeline = timeline[1:]
		}
		if err := p.until(ctx, at); err != nil {
			return err
		}
		if err := p.invoke(ctx, events.Request{Action: events.Run, By: "schedule"}, nil); err != nil {
			return err
		}
		p.report.Ticks++
	}
	return nil
}

func (p *player) until(ctx context.Context, at Duration) error {
	return p.clock.SleepUntil(ctx, p.Start.Add(time.Duration(at)))
}

// happen does one entry of the timeline.
func (p *player) happen(ctx context.Context, e Entry) error {
	if err := p.until(ctx, e.At); err != nil {
		return err
	}
	text, err := p.cast.apply(ctx, p, e)
	if err != nil {
		return err
	}
	switch {
	case e.Ask != nil:
		return p.invoke(ctx, *e.Ask, []string{text})
	case e.Approve != "":
		return p.approve(ctx, e.Approve, text)
	}
	p.tell(Moment{At: p.clock.Now(), Happened: []string{text}})
	return nil
}

// approve does what an administrator does: looks at the preview, and approves the version that it showed.
func (p *player) approve(ctx context.Context, id, text string) error {
	version, err := p.cast.version(id)
	if err != nil { // a malformed profile: the planner's own words say why
		version = "000000000000"
	}
	return p.invoke(ctx, events.Request{Action: events.Approve, Profile: id, Version: version, By: "ada@" + p.Tenant.Domain}, []string{text})
}

// invoke runs the planner once, then the worker for as long as there are messages.
func (p *player) invoke(ctx context.Context, req events.Request, happened []string) error {
	m := Moment{At: p.clock.Now(), Happened: happened, Action: string(req.Action), By: req.By}
	payload, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("writing the request %s: %w", req.Action, err)
	}
	answer, err := p.planner.Handle(ctx, payload)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		m.Error = err.Error()
	default:
		m.Answer = answer
		m.Report, _ = answer.(*reconcile.Report)
		m.Would = p.would(m.Report)
	}
	if m.Messages, err = p.work(ctx); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil { // the queue is away, or the worker failed: what is on the queue stays there
		m.Error = strings.TrimPrefix(m.Error+"; ", "; ") + err.Error()
	}
	if m.Changes, err = p.changes(ctx); err != nil {
		return err
	}
	p.tell(m)
	return nil
}

// would is what a dry run says that a run would do, as changes.
func (p *player) would(r *reconcile.Report) []Change {
	if r == nil || !r.DryRun {
		return nil
	}
	var out []Change
	for _, l := range r.Actions {
		out = append(out, Change{
			Person: l.Person, Name: p.cast.nameOf(l.Person), Slot: l.Slot, Profile: l.Profile,
			From: assignment.Status(l.From), To: assignment.Status(l.To), Reason: l.Reason,
		})
	}
	return out
}

// mostTurns bounds how often the worker is called at one moment.
const mostTurns = 10_000

func (p *player) work(ctx context.Context) (messages int, err error) {
	for range mostTurns {
		n, err := p.cloud.Pump(ctx, "worker", func(ctx context.Context, payload []byte) ([]byte, error) {
			var batch awsevents.SQSEvent
			if err := json.Unmarshal(payload, &batch); err != nil {
				return nil, err
			}
			answer, err := p.worker.Handle(ctx, batch)
			if err != nil {
				return nil, err
			}
			return json.Marshal(answer)
		})
		messages += n
		if err != nil || n == 0 {
			return messages, err
		}
	}
	return messages, fmt.Errorf("the worker was called %d times and there are still messages", mostTurns)
}

// changes are the assignments that are not as they were at the last moment.
func (p *player) changes(ctx context.Context) ([]Change, error) {
	now, err := p.assignments(ctx)
	if err != nil {
		return nil, err
	}
	var out []Change
	for key, a := range now {
		before := p.known[key]
		if before.Status != a.Status || before.Reason != a.Reason {
			out = append(out, Change{
				Person: a.Person, Name: p.cast.nameOf(a.Person), Slot: a.Slot, From: before.Status,
				To: a.Status, Reason: a.Reason, WorkSpace: a.WorkSpace, Profile: a.Profile,
			})
		}
	}
	p.known = now
	slices.SortFunc(out, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Slot, b.Slot)) })
	return out, nil
}

func (p *player) assignments(ctx context.Context) (map[assignment.Key]assignment.Assignment, error) {
	out := map[assignment.Key]assignment.Assignment{}
	for _, id := range append(slices.Sorted(maps.Keys(p.cast.profiles)), "") {
		for a, err := range p.book.Everyone(ctx, id) {
			if err != nil {
				return nil, fmt.Errorf("reading the ledger: %w", err)
			}
			out[a.Key] = a
		}
	}
	return out, nil
}

func (p *player) tell(m Moment) {
	m.Calls = p.callsSince()
	p.report.Calls = p.report.Calls.plus(m.Calls)
	if m.Action == string(events.Run) {
		p.report.CallsPerTick = append(p.report.CallsPerTick, TickCalls{At: m.At, Calls: m.Calls})
	}
	if !m.quiet() {
		p.report.Moments = append(p.report.Moments, m)
	} else {
		p.report.QuietTicks++
		p.report.QuietCalls = m.Calls
	}
	p.watch(m)
}

func (p *player) callsSince() Calls {
	calls := Calls{}
	lines := p.cloud.Log().Since(p.logged)
	p.logged += len(lines)
	for _, c := range lines {
		if c.Caller != onlooker && c.Caller != "cloudformation" {
			calls[c.Service+" "+c.Operation]++
		}
	}
	return calls
}
