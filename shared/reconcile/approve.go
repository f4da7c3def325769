package reconcile

import (
	"context"
	"fmt"

	"rollcall/events"
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
		return nil, fmt.Errorf("version is %q, but the profile as it is written now is version %q: it was edited since; look at its preview and approve that version", req.Version, got)
	}
	roster, err := p.SignIn(ctx)
	if err != nil {
		return nil, fmt.Errorf("signing in to Microsoft Entra: %w", err)
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
	answer := Approval{
		Profile: rule.ID, Approved: req.Version, Before: standing.Approved, By: req.By,
		Group: group.ID, GroupName: group.Name, Warnings: preflight(rule.Lane(), rule.Directories, rule.Bundle, catalogues),
		Next: "The next tick reads the whole group and begins to provision, a few desktops at first.",
	}
	moved := standing.Group != "" && standing.Group != group.ID
	standing.ID, standing.Approved, standing.Document = rule.ID, req.Version, rule.Document()
	standing.ApprovedBy, standing.ApprovedAt = req.By, w.now
	standing.Group, standing.GroupName, standing.RollDue = group.ID, group.Name, "version "+req.Version+" was approved"
	if moved { // what is known of the old group says nothing of the new one
		standing.Members, standing.Tree = 0, nil
	}
	if _, err := p.Book.SaveStanding(ctx, standing); err != nil {
		return nil, fmt.Errorf("approving profile %s: %w", rule.ID, err)
	}
	return answer, nil
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
func (w *world) preview(ctx context.Context, id string, roster Rolls) error {
	rule, err := w.row(id)
	if err != nil {
		return err
	}
	group, err := roster.Group(ctx, rule.Group)
	if err != nil {
		return fmt.Errorf("finding the group of profile %s: group is %q: %w", id, rule.Group, err)
	}
	standing := w.standings[id]
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
			return nil, fmt.Errorf("setting STOP: %w", err)
		}
		return answer, nil
	}
	answer.What = "profile " + req.Profile
	standings, err := p.Book.Standings(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading where the profiles stand: %w", err)
	}
	standing, known := standings[req.Profile]
	if !known {
		return nil, fmt.Errorf("profile is %q: expected a profile that was approved once; there is none", req.Profile)
	}
	standing.Stop = stop
	if _, err := p.Book.SaveStanding(ctx, standing); err != nil {
		return nil, fmt.Errorf("setting STOP for profile %s: %w", req.Profile, err)
	}
	return answer, nil
}
