package main

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
)

// settings are what cdk.json says under "context", or the command line with -c. Everything has a default.
type settings struct {
	// Installation is part of every desktop's ownership tag, of the roles' names, and is the stack's name: it never
	// changes, or rollcall takes its own desktops for somebody else's.
	Installation string
	// Schedule is how often the roll is taken: "rate(5 minutes)", or a cron expression of EventBridge Scheduler.
	Schedule string
	// LogRetention is how long logs are kept.
	LogRetention awslogs.RetentionDays
	LogLevel     string
	// CallRate is how many calls of Amazon WorkSpaces a second a lane makes; empty leaves the worker's own default.
	CallRate string
	// Audience is what a keyless sign-in's token is made out to: Entra's global cloud, unless it is another.
	Audience string
	// MemberRole, with ExternalID, is the role that the worker takes in other accounts; MemberAccounts are these
	// accounts: 12 digits each, "*" for any that has made such a role, none for our own account only.
	MemberRole, ExternalID string
	MemberAccounts         []string
}

// The settings' names in cdk.json.
const (
	keyInstallation   = "installation"
	keySchedule       = "schedule"
	keyLogRetention   = "logRetentionDays"
	keyLogLevel       = "logLevel"
	keyCallRate       = "callRate"
	keyAudience       = "keylessAudience"
	keyMemberRole     = "memberRole"
	keyExternalID     = "memberExternalId"
	keyMemberAccounts = "memberAccounts"
)

// readSettings reads the context. What the command line gives is text, also for a number or a list ("a,b"). The
// error lists every complaint: name, value, what is expected.
func readSettings(context func(key string) any) (settings, error) {
	r := reader{context: context}
	s := settings{
		Installation: r.matching(keyInstallation, "rollcall", `[a-z][a-z0-9-]{0,39}`,
			"1 to 40 of a-z, 0-9 and -, a letter first; it never changes"),
		Schedule:     r.schedule(),
		LogRetention: r.retention(),
		LogLevel:     r.level(),
		CallRate:     r.rate(),
		Audience:     r.matching(keyAudience, "api://AzureADTokenExchange", `\S+`, "the audience of the federated credential in Entra"),
		MemberRole: r.matching(keyMemberRole, "rollcall-member", `[\w+=,.@/-]{1,64}`,
			"the name of a role, at most 64 letters, digits and +=,.@_-, with its path if it has one"),
		ExternalID: r.matching(keyExternalID, "rollcall", `[\w+=,.@:/-]{2,200}`,
			"2 to 200 letters, digits and +=,.@:/-"),
		MemberAccounts: r.accounts(),
	}
	return s, r.err()
}

// memberRole and externalID are what the worker is told: nothing, where there is no other account.
func (s settings) memberRole() string { return s.ifMembers(s.MemberRole) }
func (s settings) externalID() string { return s.ifMembers(s.ExternalID) }
func (s settings) callRate() string   { return s.CallRate }

func (s settings) ifMembers(value string) string {
	if len(s.MemberAccounts) == 0 {
		return ""
	}
	return value
}

type reader struct {
	context    func(key string) any
	complaints []string
}

func (r *reader) complain(key string, value any, expected string) {
	r.complaints = append(r.complaints, fmt.Sprintf("%s is %q: expected %s", key, fmt.Sprint(value), expected))
}

func (r *reader) err() error {
	if len(r.complaints) == 0 {
		return nil
	}
	return errors.New("the settings in cdk.json (context) or on the command line (-c) are not right: " + strings.Join(r.complaints, "; "))
}

// text is a setting as text, or its default where it is absent.
func (r *reader) text(key, otherwise string) string {
	switch v := r.context(key).(type) {
	case nil:
		return otherwise
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		r.complain(key, v, "text or a number")
		return otherwise
	}
}

func (r *reader) matching(key, otherwise, pattern, expected string) string {
	v := r.text(key, otherwise)
	if !regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(v) {
		r.complain(key, v, expected)
	}
	return v
}

// schedule checks the form here, because nothing else does before the service refuses it: a rate of whole minutes,
// hours or days, or the six fields of cron.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
func (r *reader) schedule() string {
	return r.matching(keySchedule, "rate(5 minutes)", `rate\([1-9][0-9]* (minute|hour|day)s?\)|cron\(\S+( \S+){5}\)`,
		`"rate(5 minutes)" or the like, one minute at least, or "cron(0/15 6-20 ? * MON-FRI *)" in UTC`)
}

// kept are the spans for which CloudWatch Logs keeps logs, in days; 0 is for ever.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
func kept() map[string]awslogs.RetentionDays {
	return map[string]awslogs.RetentionDays{
		"0": awslogs.RetentionDays_INFINITE, "1": awslogs.RetentionDays_ONE_DAY, "3": awslogs.RetentionDays_THREE_DAYS,
		"5": awslogs.RetentionDays_FIVE_DAYS, "7": awslogs.RetentionDays_ONE_WEEK, "14": awslogs.RetentionDays_TWO_WEEKS,
		"30": awslogs.RetentionDays_ONE_MONTH, "60": awslogs.RetentionDays_TWO_MONTHS, "90": awslogs.RetentionDays_THREE_MONTHS,
		"120": awslogs.RetentionDays_FOUR_MONTHS, "150": awslogs.RetentionDays_FIVE_MONTHS, "180": awslogs.RetentionDays_SIX_MONTHS,
		"365": awslogs.RetentionDays_ONE_YEAR, "400": awslogs.RetentionDays_THIRTEEN_MONTHS, "545": awslogs.RetentionDays_EIGHTEEN_MONTHS,
		"731": awslogs.RetentionDays_TWO_YEARS, "1096": awslogs.RetentionDays_THREE_YEARS, "1827": awslogs.RetentionDays_FIVE_YEARS,
		"2192": awslogs.RetentionDays_SIX_YEARS, "2557": awslogs.RetentionDays_SEVEN_YEARS, "2922": awslogs.RetentionDays_EIGHT_YEARS,
		"3288": awslogs.RetentionDays_NINE_YEARS, "3653": awslogs.RetentionDays_TEN_YEARS,
	}
}

func (r *reader) retention() awslogs.RetentionDays {
	days := r.text(keyLogRetention, "90")
	span, ok := kept()[days]
	if !ok {
		r.complain(keyLogRetention, days, "a number of days that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, "+
			"731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, or 0 for ever")
	}
	return span
}

func (r *reader) level() string {
	v := r.text(keyLogLevel, "info")
	if err := new(slog.Level).UnmarshalText([]byte(v)); err != nil {
		r.complain(keyLogLevel, v, "debug, info, warn or error")
	}
	return v
}

func (r *reader) rate() string {
	v := r.text(keyCallRate, "")
	if v == "" {
		return v
	}
	if rate, err := strconv.ParseFloat(v, 64); err != nil || rate < 0.1 || rate > 100 {
		r.complain(keyCallRate, v, "calls a second, 0.1 to 100 (the service's own default limit is 2)")
	}
	return v
}

// accounts are a list in cdk.json, or text with commas on the command line.
func (r *reader) accounts() []string {
	var said []any
	switch v := r.context(keyMemberAccounts).(type) {
	case nil: // no other account, until an administrator names one
	case []any:
		said = v
	case string:
		for _, account := range strings.FieldsFunc(v, func(c rune) bool { return c == ',' || c == ' ' }) {
			said = append(said, account)
		}
	default:
		r.complain(keyMemberAccounts, v, "a list")
	}
	var all []string
	account := regexp.MustCompile(`^([0-9]{12}|\*)$`)
	for _, v := range said {
		text, _ := v.(string)
		if !account.MatchString(text) {
			r.complain(keyMemberAccounts, v, "12 digits in quotes, or *")
		}
		all = append(all, text)
	}
	if len(all) > 1 && slices.Contains(all, everything) {
		r.complain(keyMemberAccounts, strings.Join(all, ","), "either * or accounts")
	}
	return all
}
