package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/events"
	"rollcall/shared/fault"
	"rollcall/shared/lease"
	"rollcall/shared/plan"
	"rollcall/shared/profile"
)

// Approval is the answer to an approval: what is in force now.
type Approval struct {
	Profile   string   `json:"profile"`
	Approved  string   `json:"approved"`
	Before    string   `json:"before,omitempty"`
	Group     string   `json:"group"`
	GroupName string   `json:"groupName"`
	By        string   `json:"by"`
	Next      string   `json:"next"`
	Warnings  []string `json:"warnings,omitempty"`
}

// approve puts a version of a profile in force: exactly the one that the person names, resolved to its group once.
func (p *Planner) approve(ctx context.Context, req events.Request, _ lease.Lease) (any, error) {
	w, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	rule, err := w.row(req.Profile)
	if err != nil {
		return nil, err
	}
	if got := rule.Version(); got != req.Version {
		return nil, fmt.Errorf("version is %q, but the profile as it is written now is version %q: look at its preview, and approve the version that you have seen", req.Version, got)
	}
	roster, err := p.SignIn(ctx)
	if err != nil {
		return nil, err // a sentence already, of the secret or of the sign-in
	}
	group, err := roster.Group(ctx, rule.Group)
	if err != nil {
		return nil, fmt.Errorf("finding the group of profile %s: group is %q: %w", rule.ID, rule.Group, err)
	}
	catalogues, err := p.Journal.Catalogues(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	standing := w.standings[rule.ID]
	if err := p.fits(ctx, &w, rule, standing); err != nil {
		return nil, err
	}
	answer := Approval{
		Profile: rule.ID, Approved: req.Version, Before: standing.Approved, By: req.By,
		Group: group.ID, GroupName: group.Name, Warnings: preflight(rule.Lane(), rule.Directories, rule.Bundle, catalogues),
		Next: whatNext(&w, rule, standing),
	}
	if standing.Approved != req.Version { // what went wrong with the version before says nothing of this one
		standing.Rollout = profile.Rollout{Waiting: standing.Rollout.Waiting}
	}
	moved := standing.Group != "" && standing.Group != group.ID
	standing.ID, standing.Approved, standing.Document = rule.ID, req.Version, rule.Document()
	standing.ApprovedBy, standing.ApprovedAt = req.By, w.now
	standing.Group, standing.GroupName, standing.RollDue = group.ID, group.Name, "version "+req.Version+" was approved"
	standing.NextRoll = time.Time{}
	if moved { // what is known of the old group says nothing of the new one
		standing.Members, standing.Tree = 0, nil
	}
	if _, err := p.Book.SaveStanding(ctx, standing); err != nil {
		return nil, fmt.Errorf("approving profile %s: %w", rule.ID, err)
	}
	return answer, nil
}

// fits refuses what the ledger forbids: a slot is fixed while people are under it through the profile, and two slots
// never share a directory, because WorkSpaces allows one desktop for each person and directory.
func (p *Planner) fits(ctx context.Context, w *world, rule profile.Profile, standing profile.Standing) error {
	if before, inForce := w.inForce[rule.ID]; inForce && before.Rule.Slot != rule.Slot {
		keys, err := p.Assignments.OfProfile(ctx, rule.ID, "", 1)
		if err != nil {
			return fmt.Errorf("finding the people of profile %s: %w", rule.ID, err)
		}
		if len(keys) > 0 {
			return fmt.Errorf("slot is %q: expected %q, as in the version in force (%s): somebody is under it, and would get a second desktop; write another profile for the new slot",
				rule.Slot, before.Rule.Slot, standing.Approved)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.inForce)) {
		other := w.inForce[id].Rule
		if id == rule.ID || other.Slot == rule.Slot {
			continue
		}
		for _, directory := range rule.Directories {
			if slices.Contains(other.Directories, directory) {
				return fmt.Errorf("directory is %q: expected one that no profile of another slot uses; profile %s uses it for slot %q, and WorkSpaces allows one desktop for each person and directory",
					directory, id, other.Slot)
			}
		}
	}
	return nil
}

// whatNext says what happens after an approval.
func whatNext(w *world, rule profile.Profile, standing profile.Standing) string {
	next := "The next tick reads the whole group and begins to provision, a few desktops at first."
	switch {
	case rule.Paused:
		return next + " But the profile is paused: take paused out of it first."
	case w.stop.On || standing.Stop.On:
		return next + " But STOP is on: nothing is created until somebody resumes."
	}
	return next
}

// row is a profile as it is written now.
func (w *world) row(id string) (profile.Profile, error) {
	if rule, ok := w.written[id]; ok {
		return rule, nil
	}
	for _, problem := range w.problems {
		if problem.Profile == id && problem.Code == "Malformed" {
			return profile.Profile{}, fmt.Errorf("profile %s: %s", id, problem.Text)
		}
	}
	return profile.Profile{}, fmt.Errorf("profile is %q: expected the id of a row in the profiles table; there is none", id)
}

// preview makes the profile as it is written now the one in force, for this look only.
func (p *Planner) preview(ctx context.Context, w *world, id string, roster Rolls) error {
	rule, err := w.row(id)
	if err != nil {
		return err
	}
	group, err := roster.Group(ctx, rule.Group)
	if err != nil {
		return fmt.Errorf("finding the group of profile %s: group is %q: %w", id, rule.Group, err)
	}
	catalogues, err := p.Journal.Catalogues(ctx)
	if err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	for _, lacking := range preflight(rule.Lane(), rule.Directories, rule.Bundle, catalogues) {
		w.problem(id, "Preflight", lacking)
	}
	standing := w.standings[id]
	if err := p.fits(ctx, w, rule, standing); err != nil {
		w.problem(id, "Preflight", err.Error())
	}
	standing.ID, standing.Group = id, group.ID
	w.standings[id] = standing
	w.inForce[id] = plan.Profile{Rule: rule, Rollout: standing.Rollout, Stop: standing.Stop}
	return nil
}

// Switch is the answer to STOP and resume.
type Switch struct {
	What string       `json:"what"`
	Stop profile.Stop `json:"stop"`
	Next string       `json:"next"`
}

// setStop sets or clears the switch, for everything or for one profile. It needs no lease: a person can stop rollcall
// at any time, also while a tick is at work.
func (p *Planner) setStop(ctx context.Context, req events.Request) (any, error) {
	stop := profile.Stop{On: req.Action == events.Stop, Since: p.Clock.Now(), By: req.By, Why: req.Why}
	answer := Switch{What: "everything", Stop: stop, Next: "Nothing is created until you resume. Desktops that exist are left as they are."}
	if !stop.On {
		answer.Next = "The next tick goes on."
	}
	if req.Profile == "" {
		if err := p.Book.SaveStop(ctx, stop); err != nil {
			return nil, fmt.Errorf("setting STOP to %s: %w", onOff(stop), err)
		}
		return answer, nil
	}
	answer.What = "profile " + req.Profile
	if err := p.stopProfile(ctx, req.Profile, stop); err != nil {
		return nil, err
	}
	return answer, nil
}

// stopTries is how often a profile's switch is written on top of what a tick has written meanwhile.
const stopTries = 8

func (p *Planner) stopProfile(ctx context.Context, id string, stop profile.Stop) error {
	var last error
	for range stopTries {
		standings, err := p.Book.Standings(ctx)
		if err != nil {
			return fmt.Errorf("reading where the profiles stand: %w", err)
		}
		standing, known := standings[id]
		if !known {
			return fmt.Errorf("profile is %q: expected a profile that was approved once; there is none", id)
		}
		standing.Stop = stop
		if _, err = p.Book.SaveStanding(ctx, standing); err == nil {
			return nil
		}
		if last = err; !fault.Is(err, fault.Conflict) {
			return fmt.Errorf("setting STOP of profile %s to %s: %w", id, onOff(stop), err)
		}
	}
	return fmt.Errorf("setting STOP of profile %s to %s: a tick writes at the same time, again and again; try again: %w", id, onOff(stop), last)
}

func onOff(s profile.Stop) string {
	if s.On {
		return "on"
	}
	return "off"
}
