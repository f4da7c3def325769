package profile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"rollcall/shared/desktop"
)

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
)

func (d *decoder) check(p Profile) {
	d.required("group", p.Group, p.Group != "", "the object id of an Entra group (Entra admin centre, Groups, the group's Overview), or its display name")
	d.required("account", p.Account, accountPattern.MatchString(p.Account), "the 12 digits of an AWS account, in quotes")
	d.required("region", p.Region, regionPattern.MatchString(p.Region), "an AWS Region such as eu-central-1")
	d.checkDirectories(p)
	for _, c := range p.Spec().Complaints() {
		if !d.complainedOf(append(strings.Split(c.Field, ", "), c.Field)...) {
			d.complain(c.Field, c.Value, c.Expected)
		}
	}
	if p.RunningMode == desktop.AutoStop && d.zero("autoStopMinutes") { // the default would hide it
		d.complain("autoStopMinutes", 0, "a multiple of 60, or none for the default of an hour")
	}
	if e := p.Encryption; e.Key != "" && !e.Root && !e.User && !d.complainedOf("encryption.key", "encryption.root", "encryption.user") {
		d.complain("encryption.key", e.Key, "root: true or user: true beside it; a key alone encrypts nothing")
	}
	d.checkPeople(p)
}

// checkDirectories wants directories of one kind: those of Active Directory (d-…) and those joined to Entra (wsd-…)
// need different user names, and a profile has one source of them.
func (d *decoder) checkDirectories(p Profile) {
	if len(p.Directories) == 0 && !d.complainedOfDirectories() {
		d.complain("directory", nil, "the id of a registered directory such as d-1234567890")
	}
	joined := 0
	for _, id := range p.Directories {
		for _, c := range desktop.DirectoryComplaints(id) {
			d.complain(c.Field, c.Value, c.Expected)
		}
		if entraJoined(id) {
			joined++
		}
	}
	if joined > 0 && joined < len(p.Directories) {
		d.complain("directories", strings.Join(p.Directories, ", "),
			"directories of one kind, all d-… or all wsd-…, because their user names differ; make two profiles of it")
	}
}

func (d *decoder) complainedOfDirectories() bool {
	return slices.ContainsFunc(d.complaints, func(c Complaint) bool {
		return c.Field == "directory" || c.Field == "directories" || strings.HasPrefix(c.Field, "directories[")
	})
}

// mostInFlight is the most that maxInFlight may be: far above what the service's rate lets through.
const mostInFlight = 10000

func (d *decoder) checkPeople(p Profile) {
	if !idPattern.MatchString(p.Slot) {
		d.complain("slot", p.Slot, "1 to 64 of a-z, 0-9 and -")
	}
	switch {
	case d.zero("maxInFlight"): // the default would hide it
		d.complain("maxInFlight", 0, fmt.Sprintf("1 to %d, or none for the default of %d; to make no desktops, set paused: true", mostInFlight, DefaultMaxInFlight))
	case p.MaxInFlight < 1 || p.MaxInFlight > mostInFlight:
		d.complain("maxInFlight", p.MaxInFlight, fmt.Sprintf("1 to %d", mostInFlight))
	}
	sources := []UserNameSource{SAMAccountName, UPN, UPNPrefix, MailNickname}
	if !slices.Contains(sources, p.UserName) {
		d.complain("userName", string(p.UserName), "sAMAccountName, userPrincipalName, userPrincipalNamePrefix or mailNickname")
	}
}

// required complains about a value that is missing or wrong, unless its type has been complained about already.
func (d *decoder) required(field, value string, ok bool, expected string) {
	switch {
	case ok || d.complainedOf(field):
	case value == "":
		d.complain(field, nil, expected)
	default:
		d.complain(field, value, expected)
	}
}

// zero reports whether a field was written as the number 0: not the same as one that was not written.
func (d *decoder) zero(name string) bool {
	switch n := d.fields[name].(type) {
	case int:
		return n == 0
	case int64:
		return n == 0
	case uint64:
		return n == 0
	case float64:
		return n == 0
	}
	return false
}

func (d *decoder) complainedOf(fields ...string) bool {
	return slices.ContainsFunc(d.complaints, func(c Complaint) bool {
		return slices.Contains(fields, c.Field)
	})
}

// meant is ", perhaps "x"" for the field name nearest to a misspelt one, or empty.
func meant(name string) string {
	best, distance := "", 3
	for _, known := range slices.Sorted(maps.Keys(fieldTable())) {
		if n := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(known)); n < distance {
			best, distance = known, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
