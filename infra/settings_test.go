package main

import (
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/google/go-cmp/cmp"
)

func saying(said map[string]any) func(string) any {
	return func(key string) any { return said[key] }
}

func TestDefaultsWork(t *testing.T) {
	want := settings{
		Installation: "rollcall", Schedule: "rate(5 minutes)", LogRetention: awslogs.RetentionDays_THREE_MONTHS, LogLevel: "info",
		Audience: "api://AzureADTokenExchange", MemberRole: "rollcall-member", ExternalID: "rollcall", MemberAccounts: nil,
	}
	inFile, err := cdkJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, said := range map[string]map[string]any{"nothing said": nil, "cdk.json": inFile} {
		got, err := readSettings(saying(said))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestSettings(t *testing.T) {
	cases := []struct {
		name, key string
		value     any
		complaint string // empty: it is accepted
	}{
		{"every minute", "schedule", "rate(1 minute)", ""},
		{"office hours", "schedule", "cron(0/15 6-20 ? * MON-FRI *)", ""},
		{"every second", "schedule", "rate(30 seconds)", `schedule is "rate(30 seconds)": expected`},
		{"not at all", "schedule", "rate(0 minutes)", `schedule is "rate(0 minutes)": expected`},
		{"Unix cron", "schedule", "*/5 * * * *", `schedule is "*/5 * * * *": expected`},
		{"cron of five fields", "schedule", "cron(0 6 * * ?)", `schedule is "cron(0 6 * * ?)": expected`},
		{"a capital", "installation", "Acme", `installation is "Acme": expected`},
		{"a digit first", "installation", "7eleven", `installation is "7eleven": expected`},
		{"text for a number", "logRetentionDays", "365", ""},
		{"a number of days that there is not", "logRetentionDays", float64(31), `logRetentionDays is "31": expected a number of days`},
		{"a level that there is not", "logLevel", "loud", `logLevel is "loud": expected debug, info, warn or error`},
		{"a slow lane", "callRate", 0.5, ""},
		{"a rate far too high", "callRate", "1000", `callRate is "1000": expected calls a second`},
		{"accounts as text", "memberAccounts", "111122223333,444455556666", ""},
		{"no accounts", "memberAccounts", []any{}, ""},
		{"an account as a number", "memberAccounts", []any{float64(111122223333)}, "expected 12 digits in quotes"},
		{"an account that is none", "memberAccounts", "acme", `memberAccounts is "acme": expected 12 digits`},
		{"everybody, and one more", "memberAccounts", []any{"*", "111122223333"}, "expected either * or accounts"},
		{"a map of accounts", "memberAccounts", map[string]any{}, "expected a list"},
		{"a role with a space", "memberRole", "my role", `memberRole is "my role": expected the name of a role`},
		{"an empty external id", "memberExternalId", "", `memberExternalId is "": expected`},
		{"an empty audience", "keylessAudience", "", `keylessAudience is "": expected`},
		{"a list for text", "logLevel", []any{"info"}, "expected text or a number"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := readSettings(saying(map[string]any{c.key: c.value}))
			switch {
			case c.complaint == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.complaint != "" && (err == nil || !strings.Contains(err.Error(), c.complaint)):
				t.Errorf("the error is %v, expected it to say %q", err, c.complaint)
			}
		})
	}
}

func TestEveryComplaintIsToldAtOnce(t *testing.T) {
	_, err := readSettings(saying(map[string]any{"installation": "Acme", "schedule": "often", "logLevel": "loud"}))
	if err == nil {
		t.Fatal("three wrong settings were accepted")
	}
	for _, key := range []string{"installation", "schedule", "logLevel"} {
		if !strings.Contains(err.Error(), key+" is ") {
			t.Errorf("%q does not complain about %s", err, key)
		}
	}
}
