package scenario

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rollcall/infra/snapshot"
	"rollcall/shared/assignment"
)

var every = flag.Bool("every", false, "play every fault of every service, not each sixth (make test-long)")

func play(t *testing.T, text string) *Report {
	t.Helper()
	s, err := Read(t.Name(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	report, err := Play(t.Context(), s, Options{Template: snapshot.Template})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// end is everyone's status at the end, by name.
func end(r *Report) map[string]string {
	out := map[string]string{}
	for _, p := range r.People {
		out[p.Name] = strings.TrimSpace(string(p.Status) + " " + p.Reason.Code)
	}
	return out
}

const place = `
aws:
  - account: "111122223333"
    region: eu-central-1
    quota: 100
    bundles: [{id: wsb-0standard1, name: Standard}]
    subnets: [{id: subnet-0aaaaaaaaaaaaaaa1, zone: eu-central-1a, free: 200}]
    directories: [{id: d-9067012345, name: corp.example.com, subnets: [subnet-0aaaaaaaaaaaaaaa1]}]
profiles:
  - {id: sales, group: Sales, account: "111122223333", region: eu-central-1, directory: d-9067012345, bundle: wsb-0standard1}
`

func TestTheBuiltInCompany(t *testing.T) {
	defer goleak.VerifyNone(t)
	r := play(t, string(Company()))
	want := map[string]string{
		"ada": "Provisioned", "bob": "Provisioned Renamed", "cleo": "Provisioned", "dora": "Provisioned",
		"emil": "Provisioned Disabled", "finn": "Provisioned", "iris": "Provisioned Left", "nina": "Provisioned",
		"yara": "Provisioned", "zoe": "Provisioned", "hank": "Foreign AlreadyExists", "gina": "NotEntitled Guest",
		"cloud": "NotEntitled NoUserName",
	}
	got := end(r)
	for name, status := range want {
		if got[name] != status {
			t.Errorf("%s is %q, want %q", name, got[name], status)
		}
	}
	if len(got) != len(want) || r.DeadLetters != 0 {
		t.Errorf("%d people, %d dead letters: %v", len(got), r.DeadLetters, got)
	}
	owners := map[string]int{}
	for _, w := range r.WorkSpaces {
		owners[w.UserName]++
		if w.UserName == "hank" && len(w.Tags) > 0 {
			t.Errorf("the WorkSpace that somebody made by hand was tagged: %v", w.Tags)
		}
	}
	for name, n := range owners {
		if n != 1 {
			t.Errorf("%s has %d WorkSpaces", name, n)
		}
	}
	if len(r.CallsPerTick) != r.Ticks || r.QuietCalls["graph GET /groups/delta"]+r.QuietCalls["graph GET /users/delta"] != 2 {
		t.Errorf("%d ticks, %d of them counted; a quiet one cost %v", r.Ticks, len(r.CallsPerTick), r.QuietCalls)
	}
}

func TestGeneratedPeopleAllGetDesktops(t *testing.T) {
	r := play(t, "for: 1d\ntick: 10m\ntenant:\n  users: [{name: member, generate: 60}]\n  groups: [{name: Sales, members: [member]}]\n"+
		place+"timeline: [{at: 0s, approve: sales}]\n")
	have := 0
	for _, p := range r.People {
		if p.Status == assignment.Provisioned {
			have++
		}
	}
	if have != 60 || len(r.WorkSpaces) != 60 {
		t.Errorf("%d people of 60 have a desktop, %d WorkSpaces exist", have, len(r.WorkSpaces))
	}
}

// TestEveryServiceFailsForAWhile plays the same day with each service failing in each way for an hour. Afterwards
// everyone stands as on the day without it, with one desktop each.
func TestEveryServiceFailsForAWhile(t *testing.T) {
	day := "for: 6h\ntick: 15m\ntenant:\n  users: [{name: ada}, {name: bob}, {name: cleo}, {name: dora}, {name: emil, disabled: true}]\n" +
		"  groups: [{name: Sales, members: [ada, bob, cleo, emil]}]\n" + place +
		"timeline:\n  - {at: 0s, approve: sales}\n  - {at: 50m, join: {group: Sales, who: [dora]}}\n  - {at: 55m, leave: {group: Sales, who: [bob]}}\n"
	want := end(play(t, day))
	whys := []string{"throttle", "unavailable", "error", "drop", "refuse", "deny"}
	for _, service := range []string{"graph", "entra", "dynamodb", "sqs", "secretsmanager", "workspaces", "ec2", "servicequotas"} {
		for i, why := range whys {
			if !*every && (i+len(service))%6 != 0 {
				continue
			}
			t.Run(service+" "+why, func(t *testing.T) {
				r := play(t, day+fmt.Sprintf("  - {at: 40m, fault: {service: %s, why: %s, for: 1h}}\n", service, why))
				if got := end(r); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got  %v\nwant %v", got, want)
				}
				seen := map[string]bool{}
				for _, w := range r.WorkSpaces {
					if seen[w.UserName] {
						t.Errorf("%s has two WorkSpaces", w.UserName)
					}
					seen[w.UserName] = true
				}
			})
		}
	}
}

func TestAnotherAccountAndRegion(t *testing.T) {
	r := play(t, "for: 2h\ntick: 10m\ntenant:\n  users: [{name: ada}, {name: bob}]\n  groups: [{name: Sales, members: [ada]}, {name: Lab, members: [bob]}]\n"+`
aws:
  - {account: "111122223333", region: eu-central-1, bundles: [{id: wsb-0standard1}], subnets: [{id: subnet-0aaaaaaaaaaaaaaa1, free: 9}], directories: [{id: d-9067012345, subnets: [subnet-0aaaaaaaaaaaaaaa1]}]}
  - {account: "444455556666", region: us-west-2, bundles: [{id: wsb-0standard2}], subnets: [{id: subnet-0bbbbbbbbbbbbbbb1, free: 9}], directories: [{id: d-9267012345, subnets: [subnet-0bbbbbbbbbbbbbbb1]}]}
profiles:
  - {id: sales, group: Sales, account: "111122223333", region: eu-central-1, directory: d-9067012345, bundle: wsb-0standard1}
  - {id: lab, group: Lab, account: "444455556666", region: us-west-2, directory: d-9267012345, bundle: wsb-0standard2}
timeline: [{at: 0s, approve: sales}, {at: 0s, approve: lab}]
`)
	var places []string
	for _, w := range r.WorkSpaces {
		places = append(places, w.UserName+" "+w.Account+" "+w.Region)
	}
	slices.Sort(places)
	if diff := cmp.Diff([]string{"ada 111122223333 eu-central-1", "bob 444455556666 us-west-2"}, places); diff != "" {
		t.Error(diff)
	}
}

func TestAPlayIsRepeatable(t *testing.T) {
	text := "for: 3h\ntick: 15m\nseed: 5\ntenant:\n  users: [{name: ada}, {name: bob}]\n  groups: [{name: Sales, members: [ada, bob]}]\n" +
		place + "timeline: [{at: 0s, approve: sales}]\n"
	first, second := play(t, text), play(t, text)
	for i := range first.People {
		if first.People[i].WorkSpace != second.People[i].WorkSpace || !first.People[i].Ready.Equal(second.People[i].Ready) {
			t.Errorf("%s: %s ready %s, then %s ready %s", first.People[i].Name, first.People[i].WorkSpace,
				first.People[i].Ready.Format(time.TimeOnly), second.People[i].WorkSpace, second.People[i].Ready.Format(time.TimeOnly))
		}
	}
}
