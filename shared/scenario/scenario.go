// Package scenario plays a company that a person wrote down in a file: an Entra tenant, the AWS side, AP profiles,
// and what happens when. It runs the functions that ship, put together as they are deployed, against the embedded
// cloud, on a clock that jumps from tick to tick, and tells what was looked at, planned, done and held.
//
// It exists so that an administrator can see before deploying what rollcall does in a company like theirs, and so
// that a story becomes a test by being written down. The format is described in README.md beside this file.
//
// It refuses a file with a mistake in it, naming line, column, value and what is expected; it never guesses.
package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"rollcall/events"
	"rollcall/shared/emulator/service"
)

// Scenario is a file as it was written.
type Scenario struct {
	Name  string    `yaml:"name"`
	About string    `yaml:"about"`
	Start time.Time `yaml:"start"` // default 2026-03-02T08:00:00Z, a Monday
	Tick  Duration  `yaml:"tick"`  // how often the planner runs; default 5m
	For   Duration  `yaml:"for"`   // how long it is played
	Seed  uint64    `yaml:"seed"`

	Tenant   Tenant           `yaml:"tenant"`
	AWS      []Place          `yaml:"aws"`
	Profiles []map[string]any `yaml:"profiles"`
	Timeline []Entry          `yaml:"timeline"`
}

// Tenant is Microsoft Entra.
type Tenant struct {
	Domain string   `yaml:"domain"` // default example.com
	Lag    Duration `yaml:"lag"`    // how far Entra's answers are behind
	Users  []User   `yaml:"users"`
	Groups []Group  `yaml:"groups"`
}

// User is one person, or with Generate many of them: name0, name1, ….
type User struct {
	Name        string `yaml:"name"` // sAMAccountName, and the UPN before the @
	DisplayName string `yaml:"displayName"`
	Department  string `yaml:"department"`
	Guest       bool   `yaml:"guest"`
	Disabled    bool   `yaml:"disabled"`
	CloudOnly   bool   `yaml:"cloudOnly"` // not synchronised from AD: has no sAMAccountName
	NotInAD     bool   `yaml:"notInAD"`   // synchronised, but the directory does not have the account yet
	Generate    int    `yaml:"generate"`
}

// Group is one group. Members are users, generated users (by the name they were generated from) and groups.
type Group struct {
	Name    string   `yaml:"name"`
	Members []string `yaml:"members"`
	Hidden  bool     `yaml:"hidden"`
}

// Place is one account and Region of AWS.
type Place struct {
	Account     string      `yaml:"account"`
	Region      string      `yaml:"region"`
	Quota       int         `yaml:"quota"` // WorkSpaces; default 1000
	Bundles     []Bundle    `yaml:"bundles"`
	Subnets     []Subnet    `yaml:"subnets"`
	Directories []Directory `yaml:"directories"`
	WorkSpaces  []WorkSpace `yaml:"workspaces"` // those that exist already, made by hand
}

// Bundle is a WorkSpaces bundle.
type Bundle struct {
	ID   string `yaml:"id"`
	Name string `yaml:"name"`
}

// Subnet is a subnet with so many free addresses.
type Subnet struct {
	ID   string `yaml:"id"`
	Zone string `yaml:"zone"`
	Free int    `yaml:"free"`
}

// Directory is a directory that is registered with WorkSpaces. It has every synchronised user.
type Directory struct {
	ID      string   `yaml:"id"`
	Name    string   `yaml:"name"`
	Subnets []string `yaml:"subnets"`
}

// WorkSpace is one that somebody made by hand.
type WorkSpace struct {
	Directory string `yaml:"directory"`
	User      string `yaml:"user"`
	Bundle    string `yaml:"bundle"`
}

// Entry is something that happens: exactly one thing, at a time after the start.
type Entry struct {
	At Duration `yaml:"at"`

	Join    *Membership     `yaml:"join"`
	Leave   *Membership     `yaml:"leave"`
	Add     *User           `yaml:"add"`
	Disable []string        `yaml:"disable"`
	Enable  []string        `yaml:"enable"`
	Delete  []string        `yaml:"delete"` // accounts
	Rename  *Rename         `yaml:"rename"`
	Appear  []string        `yaml:"appear"` // in AD
	Remove  string          `yaml:"remove"` // a group
	Write   map[string]any  `yaml:"write"`  // a profile
	Edit    *Edit           `yaml:"edit"`
	Erase   string          `yaml:"erase"` // a profile
	Approve string          `yaml:"approve"`
	Ask     *events.Request `yaml:"ask"` // the planner, by hand
	Fault   *Fault          `yaml:"fault"`
	Quota   *Quota          `yaml:"quota"`
	Destroy *WorkSpace      `yaml:"destroy"` // a WorkSpace, by hand
}

// Membership is who joins or leaves which group.
type Membership struct {
	Group string   `yaml:"group"`
	Who   []string `yaml:"who"`
}

// Rename gives a user another name, in Entra and in AD.
type Rename struct {
	Who string `yaml:"who"`
	To  string `yaml:"to"`
}

// Edit changes fields of a profile as an administrator would: a field set to null is taken out.
type Edit struct {
	Profile string         `yaml:"profile"`
	Set     map[string]any `yaml:"set"`
}

// Fault is a service that fails for a while.
type Fault struct {
	Service   string          `yaml:"service"`   // graph, entra, dynamodb, sqs, secretsmanager, workspaces, ec2, sts, servicequotas
	Operation string          `yaml:"operation"` // "CreateWorkspaces", "GET /groups/*/members"; default: all
	Why       service.Refusal `yaml:"why"`       // throttle, unavailable, error, deny, drop, refuse
	For       Duration        `yaml:"for"`
	Times     int             `yaml:"times"`
}

// Quota is the number of WorkSpaces that a place may have from now on.
type Quota struct {
	Account string `yaml:"account"`
	Region  string `yaml:"region"`
	Value   int    `yaml:"value"`
}

// Duration is written with days, hours, minutes and seconds: "3d", "1d12h", "90m".
type Duration time.Duration

var durationPattern = regexp.MustCompile(`^(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?$`)

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	parts := durationPattern.FindStringSubmatch(string(text))
	if len(text) == 0 || parts == nil {
		return fmt.Errorf("%q is no duration: expected days, hours, minutes and seconds such as 3d, 1d12h or 90m", text)
	}
	units := []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second}
	var sum time.Duration
	for i, unit := range units {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(parts[i+1])
		if err != nil || n > 100_000 {
			return fmt.Errorf("%q is too long a duration", text)
		}
		sum += time.Duration(n) * unit
	}
	*d = Duration(sum)
	return nil
}

// String writes it as UnmarshalText reads it.
func (d Duration) String() string {
	rest, out := time.Duration(d), ""
	for _, u := range []struct {
		unit   time.Duration
		letter string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := rest / u.unit; n > 0 {
			out += strconv.Itoa(int(n)) + u.letter
			rest -= n * u.unit
		}
	}
	if out == "" {
		return "0s"
	}
	return out
}
