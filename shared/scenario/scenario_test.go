package scenario

import (
	"strings"
	"testing"
	"time"
)

const good = `name: test
for: 1d
tenant:
  users:
    - {name: ada}
    - {name: member, generate: 100}
  groups:
    - name: Sales
      members: [ada, member]
aws:
  - account: "111122223333"
    region: eu-central-1
    subnets: [{id: subnet-1, free: 5}]
    directories: [{id: d-9067012345, subnets: [subnet-1]}]
profiles:
  - {id: sales, group: Sales}
timeline:
  - {at: 1h, join: {group: Sales, who: [ada]}}
  - {at: 30m, approve: sales}
`

func TestRead(t *testing.T) {
	s, err := Read("test.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if s.Tick != Duration(5*time.Minute) || s.AWS[0].Quota != 1000 || s.Tenant.Domain != "example.com" {
		t.Errorf("defaults: tick %s, quota %d, domain %q", s.Tick, s.AWS[0].Quota, s.Tenant.Domain)
	}
	if s.Timeline[0].Approve != "sales" {
		t.Errorf("the timeline is not in order: %+v", s.Timeline)
	}
}

func TestBuiltInCompanyReads(t *testing.T) {
	if _, err := Read("company.yaml", Company()); err != nil {
		t.Fatal(err)
	}
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	cases := []struct {
		name, from, to string
		want           string // file:line:column: text
	}{
		{"not YAML", "name: test", "name: [", "test.yaml:1:7: "},
		{"unknown field", "for: 1d", "for: 1d\nfoor: 2d", `test.yaml:3:1: unknown field "foor"`},
		{"a duration in words", "for: 1d", "for: a day", `test.yaml:2:6: "a day" is no duration`},
		{"no duration at all", "for: 1d\n", "", "test.yaml:1:1: for is missing"},
		{"a member nobody knows", "members: [ada, member]", "members: [adda, member]", `test.yaml:9:17: tenant.groups[0].members[0] is "adda": expected a user or group of the tenant (did you mean "ada"?)`},
		{"a group nobody knows", "join: {group: Sales", "join: {group: sales", `test.yaml:18:28: timeline[0].join.group is "sales": expected a group of the tenant (did you mean "Sales"?)`},
		{"a profile nobody knows", "approve: sales", "approve: salse", `test.yaml:19:24: timeline[1].approve is "salse": expected the id of a profile (did you mean "sales"?)`},
		{"two things at once", "approve: sales", "approve: sales, remove: Sales", "timeline[1] has 2 things that happen (remove, approve): expected exactly one"},
		{"nothing happens", "at: 30m, approve: sales", "at: 30m", "timeline[1] has 0 things that happen (): expected exactly one"},
		{"after the end", "at: 1h", "at: 2d", "test.yaml:18:10: timeline[0].at is 2d: expected a time within the 1d that are played"},
		{"a subnet nobody knows", "subnets: [subnet-1]", "subnets: [subnet-2]", `aws[0].directories[0].subnets[0] is "subnet-2": expected a subnet of this place (did you mean "subnet-1"?)`},
		{"a fault of nothing", "{at: 30m, approve: sales}", "{at: 30m, fault: {service: grph, why: loud}}", `timeline[1].fault.service is "grph": expected one of graph`},
		{"a name for two", "{name: ada}", "{name: Sales}", `tenant.groups[0].name is "Sales": expected a name that no other user or group has`},
		{"too many ticks", "for: 1d", "for: 1000d\ntick: 1m", "expected at most 100000 ticks in all"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.from, c.to, 1)
			if text == good {
				t.Fatalf("%q is not in the file", c.from)
			}
			_, err := Read("test.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAnEmptyFileIsSaidToBeEmpty(t *testing.T) {
	_, err := Read("empty.yaml", []byte(" \n"))
	if err == nil || !strings.Contains(err.Error(), "empty.yaml:1:1: the file is empty") {
		t.Error(err)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"3d": 72 * time.Hour, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "0s": 0} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s is %v (%v), want %v", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "3", "d", "-1h", "1w", "99999999999999d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %s", text, d)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add(Company())
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Read("fuzz.yaml", text); err != nil && len(err.Error()) > 1<<20 {
			t.Fatal("an error of more than a megabyte")
		}
	})
}
