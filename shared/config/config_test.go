package config

import (
	"strings"
	"testing"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func TestMissingEnvironmentIsAllOfItAtOnce(t *testing.T) {
	_, err := ReadPlanner(env())
	if err == nil {
		t.Fatal("an empty environment was accepted")
	}
	for _, name := range []string{Installation, LedgerTable, ProfilesTable, QueueURL, GraphSecret} {
		if !strings.Contains(err.Error(), name+" is missing") {
			t.Errorf("%q does not complain about %s", err, name)
		}
	}
	for _, name := range []string{GraphURL, Authority, LogLevel} {
		if strings.Contains(err.Error(), name) {
			t.Errorf("%q complains about %s, which is optional", err, name)
		}
	}
}

func TestWorkerEnvironment(t *testing.T) {
	good := []string{Installation, "acme", LedgerTable, "ledger", DeadLetterURL, "https://sqs.test/1/dead.fifo", Account, "111122223333"}
	cases := []struct {
		name, variable, value, want string
	}{
		{"all good", "", "", ""},
		{"account is not digits", Account, "acme", `ROLLCALL_ACCOUNT is "acme": expected the 12 digits`},
		{"installation with a capital", Installation, "Acme", `ROLLCALL_INSTALLATION is "Acme"`},
		{"rate that is no number", CallRate, "fast", `ROLLCALL_CALL_RATE is "fast"`},
		{"rate that is far too high", CallRate, "1000", `ROLLCALL_CALL_RATE is "1000"`},
		{"a queue that is no URL", DeadLetterURL, "dead.fifo", `ROLLCALL_DEAD_LETTER_URL is "dead.fifo"`},
		{"an unknown level", LogLevel, "loud", `ROLLCALL_LOG_LEVEL is "loud": expected debug, info, warn or error`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadWorker(env(append(append([]string{}, good...), c.variable, c.value)...))
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "" && got.CallRate != DefaultCallRate:
				t.Errorf("rate is %v, want the default %v", got.CallRate, DefaultCallRate)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error is %v, want it to say %q", err, c.want)
			}
		})
	}
}
