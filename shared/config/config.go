package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Planner is the planner's environment.
type Planner struct {
	Installation  string
	LedgerTable   string
	ProfilesTable string
	QueueURL      string
	GraphSecret   string
	GraphURL      string // empty: by the credential's cloud
	Authority     string // empty: by the credential's cloud
	LogLevel      slog.Level
}

// Worker is the worker's environment.
type Worker struct {
	Installation  string
	LedgerTable   string
	DeadLetterURL string
	Account       string
	MemberRole    string  // empty: only our own account
	ExternalID    string  // empty: none
	CallRate      float64 // WorkSpaces calls a second and lane
	LogLevel      slog.Level
}

// DefaultCallRate leaves a tenth of the service's 2 calls a second to the console and to other tools.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/amazon-workspaces-troubleshooting.html
const DefaultCallRate = 1.8

// ReadPlanner reads the planner's environment. The error lists every complaint: name, value, what is expected.
func ReadPlanner(getenv func(string) string) (Planner, error) {
	r := reader{getenv: getenv}
	c := Planner{
		Installation:  r.installation(),
		LedgerTable:   r.required(LedgerTable, "the name of the ledger's DynamoDB table"),
		ProfilesTable: r.required(ProfilesTable, "the name of the profiles' DynamoDB table"),
		QueueURL:      r.url(QueueURL, true, "the URL of the FIFO queue of jobs"),
		GraphSecret:   r.required(GraphSecret, "the name or ARN of the secret with the Graph credential"),
		GraphURL:      r.url(GraphURL, false, "a base URL of Microsoft Graph such as https://graph.microsoft.us/v1.0"),
		Authority:     r.url(Authority, false, "an Entra authority such as https://login.microsoftonline.us"),
		LogLevel:      r.level(),
	}
	return c, r.err()
}

// ReadWorker reads the worker's environment. The error lists every complaint: name, value, what is expected.
func ReadWorker(getenv func(string) string) (Worker, error) {
	r := reader{getenv: getenv}
	c := Worker{
		Installation:  r.installation(),
		LedgerTable:   r.required(LedgerTable, "the name of the ledger's DynamoDB table"),
		DeadLetterURL: r.url(DeadLetterURL, true, "the URL of the FIFO dead-letter queue"),
		Account:       r.matching(Account, regexp.MustCompile(`^[0-9]{12}$`), "the 12 digits of the account that the function runs in"),
		MemberRole:    getenv(MemberRole),
		ExternalID:    getenv(ExternalID),
		CallRate:      r.rate(),
		LogLevel:      r.level(),
	}
	return c, r.err()
}

type reader struct {
	getenv     func(string) string
	complaints []string
}

func (r *reader) complain(name, value, expected string) {
	shown := "missing"
	if value != "" {
		shown = strconv.Quote(value)
	}
	r.complaints = append(r.complaints, fmt.Sprintf("%s is %s: expected %s", name, shown, expected))
}

func (r *reader) err() error {
	if len(r.complaints) == 0 {
		return nil
	}
	return errors.New("the environment is not complete: " + strings.Join(r.complaints, "; "))
}

func (r *reader) required(name, expected string) string {
	v := r.getenv(name)
	if v == "" {
		r.complain(name, v, expected)
	}
	return v
}

func (r *reader) matching(name string, pattern *regexp.Regexp, expected string) string {
	v := r.getenv(name)
	if !pattern.MatchString(v) {
		r.complain(name, v, expected)
	}
	return v
}

// installation is part of a tag's value, so its letters are limited.
func (r *reader) installation() string {
	return r.matching(Installation, regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`),
		"a name for this installation: 1 to 40 of a-z, 0-9 and -; it never changes, desktops are tagged with it")
}

func (r *reader) url(name string, required bool, expected string) string {
	v := r.getenv(name)
	if v == "" && !required {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		r.complain(name, v, expected)
	}
	return strings.TrimSuffix(v, "/")
}

func (r *reader) rate() float64 {
	v := r.getenv(CallRate)
	if v == "" {
		return DefaultCallRate
	}
	rate, err := strconv.ParseFloat(v, 64)
	if err != nil || rate < 0.1 || rate > 100 {
		r.complain(CallRate, v, "WorkSpaces calls a second, 0.1 to 100 (the service's own default limit is 2)")
	}
	return rate
}

func (r *reader) level() slog.Level {
	var level slog.Level
	v := r.getenv(LogLevel)
	if v == "" {
		return slog.LevelInfo
	}
	if err := level.UnmarshalText([]byte(v)); err != nil {
		r.complain(LogLevel, v, "debug, info, warn or error")
	}
	return level
}
