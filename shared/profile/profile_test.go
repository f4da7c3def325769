package profile

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/shared/desktop"
	"rollcall/shared/member"
)

// five is a useful profile: five fields.
func five(change map[string]any) Document {
	fields := map[string]any{
		"group": "7f3c1a52-6a0e-4a53-9a0c-2f3b1a6f0001", "account": "111122223333", "region": "eu-central-1",
		"directory": "d-1234567890", "bundle": "wsb-0123456789",
	}
	maps.Copy(fields, change)
	maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
	return Document{ID: "sales", Fields: fields}
}

func TestFiveFieldsAreEnough(t *testing.T) {
	got, complaints := Decode(five(nil))
	if complaints != nil {
		t.Fatal(complaints)
	}
	want := Profile{
		ID: "sales", Group: "7f3c1a52-6a0e-4a53-9a0c-2f3b1a6f0001", Account: "111122223333", Region: "eu-central-1",
		Directories: []string{"d-1234567890"}, Bundle: "wsb-0123456789", RunningMode: desktop.AutoStop, AutoStopMinutes: 60,
		Slot: "main", UserName: SAMAccountName, MaxInFlight: 500,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestComplaints(t *testing.T) {
	cases := []struct {
		name   string
		change map[string]any
		want   string // one complaint, as it is told; empty: none
	}{
		{"no group", map[string]any{"group": nil}, "group is (missing): expected the object id"},
		{"account too short", map[string]any{"account": "1234"}, `account is "1234": expected the 12 digits`},
		{"account typed as a number", map[string]any{"account": float64(11122223333)}, ""},
		{"account is a list", map[string]any{"account": []any{"1"}}, "account is a list: expected text"},
		{"no region", map[string]any{"region": nil}, "region is (missing): expected an AWS Region"},
		{"region by its name", map[string]any{"region": "Frankfurt"}, `region is "Frankfurt": expected an AWS Region such as eu-central-1`},
		{"directory by its name", map[string]any{"directory": "corp.example.com"}, `directory is "corp.example.com": expected the id`},
		{"no directory", map[string]any{"directory": nil}, "directory is (missing): expected the id of a registered directory"},
		{"directory twice", map[string]any{"directories": []any{"d-1234567891"}}, `directory is "d-1234567890": expected either directory or directories`},
		{"directory that is empty", map[string]any{"directory": ""}, `directory is "": expected the id of a registered directory`},
		{"directory of spaces", map[string]any{"directory": " "}, `directory is " ": expected the id of a registered directory`},
		{"directory that is no text", map[string]any{"directory": true}, `directory is true: expected text`},
		{"one of the directories is empty", map[string]any{"directory": nil, "directories": []any{"d-1234567891", " "}}, `directories[1] is " ": expected the id`},
		{"the only one of the directories is empty", map[string]any{"directory": nil, "directories": []any{""}}, `directories[0] is "": expected the id`},
		{"one of the directories is no text", map[string]any{"directory": nil, "directories": []any{1.5}}, `directories[0] is 1.5: expected text`},
		{"an empty list of directories", map[string]any{"directory": nil, "directories": []any{}}, `directory is (missing): expected the id`},
		{"directories of both kinds", map[string]any{"directory": nil, "directories": []any{"wsd-12345678", "d-1234567890"}}, `directories is "d-1234567890, wsd-12345678": expected directories of one kind`},
		{"directories of both kinds, the user name said", map[string]any{"directory": nil, "directories": []any{"wsd-12345678", "d-1234567890"}, "userName": "mailNickname"}, `directories is "d-1234567890, wsd-12345678": expected directories of one kind`},
		{"several directories joined to Entra", map[string]any{"directory": nil, "directories": []any{"wsd-12345679", "wsd-12345678"}}, ""},
		{"several directories", map[string]any{"directory": nil, "directories": []any{"d-1234567891", "d-1234567890"}}, ""},
		{"bundle by its name", map[string]any{"bundle": "Standard"}, `bundle is "Standard": expected a bundle id`},
		{"misspelt field", map[string]any{"runingMode": "ALWAYS_ON"}, `runingMode is "ALWAYS_ON": expected a field of an AP profile (did you mean runningMode?)`},
		{"field nobody knows", map[string]any{"colour": "red"}, `colour is "red": expected a field of an AP profile`},
		{"running mode of Core", map[string]any{"runningMode": "MANUAL"}, `runningMode is "MANUAL": expected AUTO_STOP or ALWAYS_ON`},
		{"auto-stop with always-on", map[string]any{"runningMode": "ALWAYS_ON", "autoStopMinutes": float64(60)}, "autoStopMinutes is 60: expected none with runningMode ALWAYS_ON"},
		{"auto-stop of half an hour", map[string]any{"autoStopMinutes": float64(30)}, "autoStopMinutes is 30: expected a multiple of 60"},
		{"auto-stop of nothing is not the default", map[string]any{"autoStopMinutes": float64(0)}, "autoStopMinutes is 0: expected a multiple of 60"},
		{"auto-stop of nothing with always-on", map[string]any{"runningMode": "ALWAYS_ON", "autoStopMinutes": int64(0)}, ""},
		{"half a minute", map[string]any{"autoStopMinutes": 60.5}, "autoStopMinutes is 60.5: expected a whole number"},
		{"volumes that are no pair", map[string]any{"rootGB": float64(80), "userGB": float64(60)}, "rootGB, userGB is \"80, 60\": expected 80 with 10, 50 or 100"},
		{"volumes of a Graphics bundle", map[string]any{"rootGB": float64(100), "userGB": float64(100)}, ""},
		{"one volume only", map[string]any{"userGB": float64(100)}, "rootGB, userGB is \"0, 100\": expected 80 with 10, 50 or 100"},
		{"a volume that is no number", map[string]any{"rootGB": "80", "userGB": float64(50)}, `rootGB is "80": expected a whole number`},
		{"large volumes", map[string]any{"rootGB": float64(175), "userGB": float64(100)}, ""},
		{"DCV by its new name", map[string]any{"protocol": "DCV"}, `protocol is "DCV": expected WSP`},
		{"encryption without a key", map[string]any{"encryption": map[string]any{"root": true}}, "encryption.key is (missing): expected the ARN"},
		{"a key that is no text", map[string]any{"encryption": map[string]any{"root": true, "key": true}}, "encryption.key is true: expected text"},
		{"a key that encrypts nothing", map[string]any{"encryption": map[string]any{"key": "alias/ws"}}, "encryption.key is \"alias/ws\": expected root: true"},
		{"encryption field misspelt", map[string]any{"encryption": map[string]any{"volume": true}}, "encryption.volume is true: expected root, user or key"},
		{"tag of AWS", map[string]any{"tags": map[string]any{"aws:x": "1"}}, "tags.aws:x is \"1\": expected a name that does not begin with aws:"},
		{"tag of ours", map[string]any{"tags": map[string]any{"rollcall:person": "1"}}, "tags.rollcall:person is \"1\": expected a name that does not begin with"},
		{"tag with a letter AWS refuses", map[string]any{"tags": map[string]any{"team": "R&D"}}, "tags.team is \"R&D\": expected a value"},
		{"tag of 127 letters of two bytes", map[string]any{"tags": map[string]any{strings.Repeat("ü", 127): strings.Repeat("ü", 255)}}, ""},
		{"tag of 128 letters", map[string]any{"tags": map[string]any{strings.Repeat("a", 128): "x"}}, "tags." + strings.Repeat("a", 128) + " is \"x\": expected a name of 1 to 127"},
		{"yes is not true", map[string]any{"guests": "yes"}, `guests is "yes": expected true or false`},
		{"an attribute nobody has", map[string]any{"userName": "employeeId"}, `userName is "employeeId": expected sAMAccountName`},
		{"none in flight is not the default", map[string]any{"maxInFlight": float64(0)}, "maxInFlight is 0: expected 1 to 10000, or none for the default of 500"},
		{"none in flight, from YAML", map[string]any{"maxInFlight": 0}, "maxInFlight is 0: expected 1 to 10000"},
		{"no number in flight", map[string]any{"maxInFlight": "many"}, `maxInFlight is "many": expected a whole number`},
		{"a value of letters of two bytes, clipped between two of them", map[string]any{"userName": "x" + strings.Repeat("ü", 90)}, `userName is "x` + strings.Repeat("ü", 79) + `…": expected`},
		{"in flight of nothing", map[string]any{"maxInFlight": float64(-1)}, "maxInFlight is -1: expected 1 to 10000"},
		{"text that is not UTF-8", map[string]any{"note": "caf\xe9"}, "note is \"caf?\": expected text in UTF-8"},
		{"a slot with a space", map[string]any{"slot": "big one"}, `slot is "big one": expected 1 to 64`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, complaints := Decode(five(c.change))
			switch {
			case c.want == "" && len(complaints) > 0:
				t.Errorf("complains: %v", complaints)
			case c.want != "" && len(complaints) != 1:
				t.Errorf("want one complaint, got %v", complaints)
			case c.want != "" && !strings.HasPrefix(complaints[0].String(), c.want):
				t.Errorf("got %q, want %q…", complaints[0], c.want)
			}
		})
	}
}

func TestEveryComplaintAtOnce(t *testing.T) {
	_, complaints := Decode(Document{ID: "Sales!", Fields: map[string]any{}})
	var fields []string
	for _, c := range complaints {
		fields = append(fields, c.Field)
	}
	slices.Sort(fields)
	if diff := cmp.Diff([]string{"account", "bundle", "directory", "group", "id", "region"}, fields); diff != "" {
		t.Error(diff)
	}
}

func TestVersion(t *testing.T) {
	version := func(change map[string]any) string {
		p, complaints := Decode(five(change))
		if complaints != nil {
			t.Fatal(complaints)
		}
		return p.Version()
	}
	plain := version(nil)
	same := map[string]map[string]any{
		"a note":                  {"note": "for the sales team"},
		"a pause":                 {"paused": true},
		"a default that is spelt": {"runningMode": "AUTO_STOP", "autoStopMinutes": float64(60), "slot": "main"},
		"directories of one":      {"directory": nil, "directories": []any{"d-1234567890"}},
		"an account with spaces":  {"account": " 111122223333 "},
	}
	for name, change := range same {
		if got := version(change); got != plain {
			t.Errorf("%s changes the version", name)
		}
	}
	for name, change := range map[string]map[string]any{
		"another bundle": {"bundle": "wsb-9876543210"}, "a tag": {"tags": map[string]any{"team": "sales"}}, "guests": {"guests": true},
	} {
		if got := version(change); got == plain {
			t.Errorf("%s does not change the version", name)
		}
	}
	if a, b := version(map[string]any{"directory": nil, "directories": []any{"d-1234567891", "d-1234567890"}}),
		version(map[string]any{"directory": nil, "directories": []any{"d-1234567890", "d-1234567891", "d-1234567890"}}); a != b {
		t.Errorf("the order of the directories changes the version: %s, %s", a, b)
	}
	// The version of this content must never change: approvals are kept by it.
	if want := "d09d52655d71"; plain != want {
		t.Errorf("the version of the five fields is %s, was %s: every approved profile would need a new approval", plain, want)
	}
}

// Whatever is wrong with it, a profile says the same in whatever order its directories are listed.
func TestOrderOfDirectories(t *testing.T) {
	for name, ids := range map[string][2]any{
		"of both kinds": {"d-1234567890", "wsd-12345678"}, "of Active Directory": {"d-1234567890", "d-1234567891"},
		"joined to Entra": {"wsd-12345678", "wsd-12345679"},
	} {
		p, complaints := Decode(five(map[string]any{"directory": nil, "directories": []any{ids[0], ids[1]}}))
		q, others := Decode(five(map[string]any{"directory": nil, "directories": []any{ids[1], ids[0]}}))
		if diff := cmp.Diff(p, q) + cmp.Diff(complaints, others); diff != "" || p.Version() != q.Version() {
			t.Errorf("%s:\n%s", name, diff)
		}
		if want := strings.HasPrefix(p.Directories[0], "wsd-"); (p.UserName == UPN) != want {
			t.Errorf("%s: user name from %s", name, p.UserName)
		}
	}
}

func TestDocumentReadsBack(t *testing.T) {
	p, complaints := Decode(five(map[string]any{"tags": map[string]any{"team": "sales"}, "guests": true, "encryption": map[string]any{"user": true, "key": "alias/ws"}}))
	if complaints != nil {
		t.Fatal(complaints)
	}
	back, err := Parse(p.Document())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Error(diff)
	}
}

func TestUserName(t *testing.T) {
	ada := member.Person{UPN: "ada@example.com", SAMAccountName: "alovelace", MailNickname: "ada.l", Enabled: true}
	guest := member.Person{UPN: "bob_other.com#EXT#@example.onmicrosoft.com", MailNickname: "bob_other.com#EXT#", Enabled: true}
	long := member.Person{UPN: strings.Repeat("x", 60) + "@example.com"}
	cases := []struct {
		name string
		from UserNameSource
		who  member.Person
		want string // a name, or the beginning of a complaint after "!"
	}{
		{"sAMAccountName", SAMAccountName, ada, "alovelace"},
		{"UPN", UPN, ada, "ada@example.com"},
		{"UPN prefix", UPNPrefix, ada, "ada"},
		{"mail nickname", MailNickname, ada, "ada.l"},
		{"cloud-only account", SAMAccountName, guest, "!has no sAMAccountName in Entra"},
		{"guest UPN", UPN, guest, "!is a guest"},
		{"guest nickname", MailNickname, guest, "!is a guest"},
		{"UPN of 72 characters", UPN, long, "!has a userPrincipalName of 72 characters"},
		{"63 characters, 126 bytes", MailNickname, member.Person{MailNickname: strings.Repeat("ü", 63)}, strings.Repeat("ü", 63)},
		{"64 characters, 128 bytes", MailNickname, member.Person{MailNickname: strings.Repeat("ü", 64)}, "!has a mailNickname of 64 characters"},
		{"a reserved name", MailNickname, member.Person{MailNickname: "[UNDEFINED]"}, "!has a mailNickname of \"[UNDEFINED]\": expected"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Profile{UserName: c.from}.UserNameOf(c.who)
			if err != nil {
				got = "!" + err.Error()
			}
			if got != c.want && !(strings.HasPrefix(c.want, "!") && strings.HasPrefix(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("group", "x", 1.5, true)
	f.Add("encryption", "key", 0.0, false)
	f.Fuzz(func(t *testing.T, key, text string, number float64, yes bool) {
		for _, v := range []any{text, number, yes, nil, []any{text, number}, map[string]any{text: number, key: yes}} {
			p, complaints := Decode(five(map[string]any{key: v}))
			if len(complaints) == 0 {
				if again, err := Parse(p.Document()); err != nil || again.Version() != p.Version() {
					t.Fatalf("a good profile does not read back: %v", err)
				}
			}
		}
	})
}
