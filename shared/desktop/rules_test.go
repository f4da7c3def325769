package desktop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// request is one that WorkSpaces takes.
func request(change func(*Request)) Request {
	r := Request{
		Spec: Spec{
			Bundle: "wsb-0123456789", RunningMode: AutoStop, AutoStopMinutes: 60,
			Tags: map[string]string{"team": "sales", TagProfile: "sales"},
		},
		Directory: "d-1234567890", UserName: "ada",
		Owner: Owner{Installation: "prod", Person: "7f3c1a52-6a0e-4a53-9a0c-2f3b1a6f0001", Slot: "main"},
	}
	change(&r)
	return r
}

// What WorkSpaces is known not to take: each row with the fields that are complained of, in order.
func TestComplaints(t *testing.T) {
	tags := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("t%d", i)] = ""
		}
		return m
	}
	sizes := func(root, user int) func(*Request) { return func(r *Request) { r.RootGB, r.UserGB = root, user } }
	mode := func(m RunningMode, minutes int) func(*Request) {
		return func(r *Request) { r.RunningMode, r.AutoStopMinutes = m, minutes }
	}
	key := func(root bool, key string) func(*Request) {
		return func(r *Request) { r.EncryptRoot, r.Spec.Key = root, key }
	}
	tag := func(key, value string) func(*Request) {
		return func(r *Request) { r.Tags = map[string]string{key: value} }
	}
	user := func(name string) func(*Request) { return func(r *Request) { r.UserName = name } }
	directory := func(id string) func(*Request) { return func(r *Request) { r.Directory = id } }
	bundle := func(id string) func(*Request) { return func(r *Request) { r.Bundle = id } }
	cases := []struct {
		name   string
		change func(*Request)
		want   []string
	}{
		{"good", func(*Request) {}, nil},
		{"nothing at all", func(r *Request) { *r = Request{} }, []string{"user name", "directory", "bundle", "runningMode"}},
		{"user name of 63 characters of two bytes", user(strings.Repeat("ü", 63)), nil},
		{"user name of 64 characters", user(strings.Repeat("ü", 64)), []string{"user name"}},
		{"user name that is reserved", user("[UNDEFINED]"), []string{"user name"}},
		{"directory joined to Entra", directory("wsd-a1b2c3d4e"), nil},
		{"directory that is not hexadecimal", directory("d-123456789z"), []string{"directory"}},
		{"directory with more after it", directory("d-1234567890/x"), []string{"directory"}},
		{"bundle by its name", bundle("Standard"), []string{"bundle"}},
		{"the bundle's sizes", sizes(0, 0), nil},
		{"80, 10", sizes(80, 10), nil},
		{"80, 50", sizes(80, 50), nil},
		{"80, 100", sizes(80, 100), nil},
		{"100, 100 of the Graphics bundles", sizes(100, 100), nil},
		{"175, 100", sizes(175, 100), nil},
		{"2000, 2000", sizes(2000, 2000), nil},
		{"80, 60", sizes(80, 60), []string{"rootGB, userGB"}},
		{"100, 50", sizes(100, 50), []string{"rootGB, userGB"}},
		{"174, 100", sizes(174, 100), []string{"rootGB, userGB"}},
		{"175, 99", sizes(175, 99), []string{"rootGB, userGB"}},
		{"2001, 100", sizes(2001, 100), []string{"rootGB, userGB"}},
		{"175, 2001", sizes(175, 2001), []string{"rootGB, userGB"}},
		{"the root volume's size only", sizes(80, 0), []string{"rootGB, userGB"}},
		{"the user volume's size only", sizes(0, 100), []string{"rootGB, userGB"}},
		{"sizes below nothing", sizes(-80, -10), []string{"rootGB, userGB"}},
		{"AUTO_STOP after two hours", mode(AutoStop, 120), nil},
		{"AUTO_STOP after half an hour", mode(AutoStop, 30), []string{"autoStopMinutes"}},
		{"AUTO_STOP after 90 minutes", mode(AutoStop, 90), []string{"autoStopMinutes"}},
		{"AUTO_STOP after no time", mode(AutoStop, 0), []string{"autoStopMinutes"}},
		{"AUTO_STOP an hour before", mode(AutoStop, -60), []string{"autoStopMinutes"}},
		{"ALWAYS_ON", mode(AlwaysOn, 0), nil},
		{"ALWAYS_ON with a time", mode(AlwaysOn, 60), []string{"autoStopMinutes"}},
		{"MANUAL", mode("MANUAL", 0), []string{"runningMode"}},
		{"WSP", func(r *Request) { r.Protocol = "WSP" }, nil},
		{"DCV", func(r *Request) { r.Protocol = "DCV" }, []string{"protocol"}},
		{"encrypted by a key's ARN", key(true, "arn:aws:kms:eu-central-1:111122223333:key/1234"), nil},
		{"encrypted by an alias", key(true, "alias/ws"), nil},
		{"encrypted by no key", key(true, ""), []string{"encryption.key"}},
		{"encrypted by a key's id", key(true, "1234abcd"), []string{"encryption.key"}},
		{"46 tags", func(r *Request) { r.Tags = tags(46) }, nil},
		{"46 tags and the profile's", func(r *Request) { r.Tags = tags(46); r.Tags[TagProfile] = "sales" }, nil},
		{"47 tags", func(r *Request) { r.Tags = tags(47) }, []string{"tags"}},
		{"tag of 127 and 255 letters of two bytes", tag(strings.Repeat("ü", 127), strings.Repeat("ü", 255)), nil},
		{"tag name of 128", tag(strings.Repeat("k", 128), ""), []string{"tags." + strings.Repeat("k", 128)}},
		{"tag value of 256", tag("k", strings.Repeat("v", 256)), []string{"tags.k"}},
		{"tag without a name", tag("", "v"), []string{"tags."}},
		{"tag name with a space at its end", tag("k ", "v"), []string{"tags.k "}},
		{"tag value with a space at its beginning", tag("k", " v"), []string{"tags.k"}},
		{"tag value with a letter that is not taken", tag("k", "R&D"), []string{"tags.k"}},
		{"tag name of AWS", tag("AWS:x", "v"), []string{"tags.AWS:x"}},
		{"tag name of ours", tag(TagPerson, "v"), []string{"tags." + TagPerson}},
		{"installation that does not fit a tag", func(r *Request) { r.Owner.Installation = "R&D" }, []string{"tags." + TagInstallation}},
		{"profile that does not fit a tag", tag(TagProfile, "R&D"), []string{"tags." + TagProfile}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var fields []string
			for _, complaint := range request(c.change).Complaints() {
				fields = append(fields, complaint.Field)
				if complaint.Expected == "" || complaint.Personal != (complaint.Field == "user name") {
					t.Errorf("%+v", complaint)
				}
			}
			if diff := cmp.Diff(c.want, fields); diff != "" {
				t.Errorf("fields complained of (-want +got):\n%s", diff)
			}
		})
	}
	if got := (Spec{Bundle: "wsb-0123456789", RunningMode: AlwaysOn, Tags: map[string]string{TagProfile: "x"}}).Complaints(); len(got) != 1 {
		t.Errorf("a profile may not set rollcall's own tag: %v", got)
	}
}
