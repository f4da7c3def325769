package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/shared/desktop"
	"rollcall/shared/member"
)

// A worker is asked so often to look at the directories of its lane.
const surveyEvery = 6 * time.Hour

// sendSurveys asks the workers to record what the planner needs to know of directories and bundles: it has no
// permission to look itself. When a lane was asked last, and for what, is kept like a feed's cursor.
func (p *Planner) sendSurveys(ctx context.Context, t *tick) {
	asked := map[string]member.Cursor{}
	for _, c := range t.s.cursors {
		asked[c.Name] = c
	}
	for _, job := range surveysOf(&t.w) {
		c := asked[surveyName(job.Lane)]
		subject := strings.Join(append(slices.Clone(job.Directories), job.Bundles...), " ")
		if c.Link == subject && t.w.now.Before(c.Moved.Add(surveyEvery)) {
			continue
		}
		if !p.send(ctx, t, []events.Job{job}) {
			continue
		}
		t.report.Done.Surveys++
		c.Name, c.Link, c.Moved = surveyName(job.Lane), subject, t.w.now
		if _, err := p.Cursors.SaveCursor(ctx, c); err != nil {
			p.Log.WarnContext(ctx, "noting a survey", "lane", job.Lane.String(), "error", err)
		}
	}
}

func surveyName(lane desktop.Lane) string { return "survey-" + lane.Account + "-" + lane.Region }

// surveysOf is one job a lane, for every profile that is written or in force: a preview wants to know too.
func surveysOf(w *world) []events.Job {
	byLane := map[desktop.Lane]*events.Job{}
	add := func(lane desktop.Lane, directories []string, bundle string) {
		job := byLane[lane]
		if job == nil {
			job = &events.Job{Version: events.JobVersion, Kind: events.Survey, Lane: lane, Issued: w.now}
			byLane[lane] = job
		}
		job.Directories = append(job.Directories, directories...)
		job.Bundles = append(job.Bundles, bundle)
	}
	for _, rule := range w.written {
		add(rule.Lane(), rule.Directories, rule.Bundle)
	}
	for _, prof := range w.inForce {
		add(prof.Rule.Lane(), prof.Rule.Directories, prof.Rule.Bundle)
	}
	var jobs []events.Job
	for _, lane := range slices.SortedFunc(maps.Keys(byLane), func(a, b desktop.Lane) int {
		return strings.Compare(a.String(), b.String())
	}) {
		job := *byLane[lane]
		job.Directories, job.Bundles = sortedSet(job.Directories), sortedSet(job.Bundles)
		job.ID = events.NewJobID(job)
		jobs = append(jobs, job)
	}
	return jobs
}

func sortedSet(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// preflight says what the catalogue knows that would keep a profile from working. A directory that has not been
// looked at yet is said to be so, and is no complaint.
func preflight(lane desktop.Lane, directories []string, bundle string, catalogues []desktop.Catalogue) []string {
	var out []string
	for _, id := range directories {
		c, known := catalogueOf(lane, id, catalogues)
		switch {
		case !known || c.Read.IsZero():
			out = append(out, fmt.Sprintf("directory %s in %s has not been surveyed yet", id, lane))
		case c.Problem != "":
			out = append(out, fmt.Sprintf("directory %s in %s: %s", id, lane, c.Problem))
		case !c.Registered():
			out = append(out, fmt.Sprintf("directory is %q: expected one that is registered with WorkSpaces in %s, this one is %s", id, lane, cmp.Or(c.State, "not there")))
		default:
			out = append(out, lacking(c, bundle)...)
		}
	}
	return out
}

func lacking(c desktop.Catalogue, bundle string) []string {
	var out []string
	if name, looked := c.Bundles[bundle]; looked && name == "" {
		out = append(out, fmt.Sprintf("bundle is %q: expected the id of a bundle in %s; there is none with this id", bundle, c.Lane))
	}
	if c.Quota >= 0 && c.Used >= c.Quota {
		out = append(out, fmt.Sprintf("the quota of %d WorkSpaces in %s is used up (Service Quotas, L-34278094)", c.Quota, c.Lane))
	}
	free := 0
	for _, s := range c.Subnets {
		free += s.Free
	}
	if len(c.Subnets) > 0 && free == 0 {
		out = append(out, fmt.Sprintf("directory %s has no free address in its subnets", c.Directory))
	}
	return out
}

func catalogueOf(lane desktop.Lane, directory string, all []desktop.Catalogue) (desktop.Catalogue, bool) {
	for _, c := range all {
		if c.Lane == lane && c.Directory == directory {
			return c, true
		}
	}
	return desktop.Catalogue{}, false
}
