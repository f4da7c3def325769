package scenario

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/emulator/workspaces"
	"rollcall/shared/reconcile"
)

// Calls counts calls by "service operation".
type Calls map[string]int

func (c Calls) plus(other Calls) Calls {
	sum := maps.Clone(c)
	if sum == nil {
		sum = Calls{}
	}
	for k, n := range other {
		sum[k] += n
	}
	return sum
}

// Total is the calls of every kind together.
func (c Calls) Total() int {
	sum := 0
	for _, n := range c {
		sum += n
	}
	return sum
}

// Moment is one thing that happened: an entry of the timeline, or a run of the planner and what the worker did then.
type Moment struct {
	At       time.Time         `json:"at"`
	Happened []string          `json:"happened,omitempty"`
	Action   string            `json:"action,omitempty"`
	By       string            `json:"by,omitempty"`
	Answer   any               `json:"answer,omitempty"`
	Report   *reconcile.Report `json:"-"` // the answer, where it is a report
	Error    string            `json:"error,omitempty"`
	Messages int               `json:"messages,omitempty"`
	Changes  []Change          `json:"changes,omitempty"`
	Would    []Change          `json:"-"` // what a dry run says, with the names of the file
	Calls    Calls             `json:"calls"`
}

// Change is an assignment that is not as it was.
type Change struct {
	Person    string            `json:"person"`
	Name      string            `json:"name"`
	Slot      string            `json:"slot"`
	Profile   string            `json:"profile,omitempty"`
	From      assignment.Status `json:"from,omitempty"`
	To        assignment.Status `json:"to"`
	Reason    assignment.Reason `json:"reason,omitzero"`
	WorkSpace string            `json:"workspace,omitempty"`
}

// quiet reports whether a run of the schedule found nothing, did nothing and complained of nothing new.
func (m Moment) quiet() bool {
	return len(m.Happened) == 0 && m.Error == "" && len(m.Changes) == 0 && m.Messages == 0 && m.Report != nil &&
		m.Report.LookedAt.People == 0 && len(m.Report.LookedAt.Rolls) == 0
}

// Report is all of a play: it is what --json prints.
type Report struct {
	Name       string    `json:"name"`
	About      string    `json:"about,omitempty"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	Tick       string    `json:"tick"`
	Ticks      int       `json:"ticks"`
	QuietTicks int       `json:"quietTicks"`
	// QuietCalls are the calls of the last quiet tick; Calls are all.
	QuietCalls Calls `json:"quietCalls"`
	Calls      Calls `json:"calls"`
	// Moments are all but the quiet ticks, of which CallsPerTick has a line too.
	Moments      []Moment    `json:"moments"`
	CallsPerTick []TickCalls `json:"callsPerTick"`

	People      []Row     `json:"people"`
	WorkSpaces  []Desktop `json:"workspaces"`
	DeadLetters int       `json:"deadLetters"`
}

// TickCalls is what one run of the schedule cost, its worker included.
type TickCalls struct {
	At    time.Time `json:"at"`
	Calls Calls     `json:"calls"`
}

// Row is a person's assignment at the end.
type Row struct {
	Name string `json:"name"`
	assignment.Assignment
}

// Desktop is a WorkSpace that exists at AWS at the end.
type Desktop struct {
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	ID        string            `json:"id"`
	Directory string            `json:"directory"`
	UserName  string            `json:"userName"`
	State     string            `json:"state"`
	Bundle    string            `json:"bundle"`
	Tags      map[string]string `json:"tags,omitempty"`
	MadeBy    string            `json:"madeBy"`
}

func (p *player) sumUp(ctx context.Context) error {
	r := p.report
	r.End = p.clock.Now()
	items, err := p.assignments(ctx)
	if err != nil {
		return err
	}
	for _, a := range items {
		r.People = append(r.People, Row{Name: p.cast.nameOf(a.Person), Assignment: a})
	}
	slices.SortFunc(r.People, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Slot, b.Slot)) })
	for _, l := range p.cloud.WorkSpaces.Lanes() {
		for _, w := range l.List() {
			r.WorkSpaces = append(r.WorkSpaces, desktopOf(l, w))
		}
	}
	r.DeadLetters, err = p.deadLetters()
	return err
}

func desktopOf(l *workspaces.Lane, w workspaces.WorkSpace) Desktop {
	return Desktop{
		Account: l.ID.Account, Region: l.ID.Region, ID: w.ID, Directory: w.Directory, UserName: w.User,
		State: string(w.State), Bundle: w.Bundle, Tags: w.Tags, MadeBy: w.MadeBy,
	}
}
