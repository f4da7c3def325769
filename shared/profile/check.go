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
	accountPattern   = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern    = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	directoryPattern = regexp.MustCompile(`^(d-[0-9a-f]{8,63}|wsd-[0-9a-z]{8,63})$`) // API_WorkspaceRequest
	bundlePattern    = regexp.MustCompile(`^wsb-[0-9a-z]{8,63}$`)                    // API_WorkspaceRequest
	keyPattern       = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+|alias/.+)$`)
	tagPattern       = regexp.MustCompile(`^[\p{L}\p{N} +\-=._:/@]*$`)
)

// Tags: at most 50 on a WorkSpace, four of which are rollcall's own.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/tag-workspaces-resources.html
const mostTags = 50 - 4

// volumePairs are the sizes (root, user; GiB) that may be asked for besides 175–2000 with 100–2000.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/modify-workspaces.html
var volumePairs = [][2]int{{80, 10}, {80, 50}, {80, 100}}

func (d *decoder) check(p Profile) {
	d.required("group", p.Group, p.Group != "", "the object id of an Entra group (Entra admin centre, Groups, the group's Overview), or its display name")
	d.required("account", p.Account, accountPattern.MatchString(p.Account), "the 12 digits of an AWS account, in quotes")
	d.required("region", p.Region, regionPattern.MatchString(p.Region), "an AWS Region such as eu-central-1")
	d.required("bundle", p.Bundle, bundlePattern.MatchString(p.Bundle), "a bundle id such as wsb-0123456789 (WorkSpaces console, Bundles)")
	if len(p.Directories) == 0 && !d.complainedOf("directory", "directories") {
		d.complain("directory", nil, "the id of a registered directory such as d-1234567890")
	}
	for _, id := range p.Directories {
		if id != "" && !directoryPattern.MatchString(id) {
			d.complain("directory", id, "the id of a registered directory: d-… or wsd-…")
		}
	}
	d.checkMode(p)
	d.checkVolumes(p)
	d.checkEncryption(p)
	d.checkTags(p)
	d.checkPeople(p)
}

func (d *decoder) checkMode(p Profile) {
	switch p.RunningMode {
	case desktop.AutoStop:
		if p.AutoStopMinutes < 60 || p.AutoStopMinutes%60 != 0 {
			d.complain("autoStopMinutes", p.AutoStopMinutes, "a multiple of 60")
		}
	case desktop.AlwaysOn:
		if p.AutoStopMinutes != 0 {
			d.complain("autoStopMinutes", p.AutoStopMinutes, "none with runningMode ALWAYS_ON (WorkSpaces refuses it)")
		}
	default:
		d.complain("runningMode", string(p.RunningMode), "AUTO_STOP or ALWAYS_ON")
	}
	if p.Protocol != "" && p.Protocol != "WSP" && p.Protocol != "PCOIP" {
		d.complain("protocol", p.Protocol, "WSP (which the console calls DCV) or PCOIP")
	}
}

func (d *decoder) checkVolumes(p Profile) {
	if p.RootGB == 0 && p.UserGB == 0 {
		return
	}
	pair := [2]int{p.RootGB, p.UserGB}
	large := p.RootGB >= 175 && p.RootGB <= 2000 && p.UserGB >= 100 && p.UserGB <= 2000
	if !large && !slices.Contains(volumePairs, pair) {
		d.complain("rootGB, userGB", fmt.Sprintf("%d, %d", p.RootGB, p.UserGB),
			"80 with 10, 50 or 100, or 175–2000 with 100–2000, or neither (the bundle's sizes)")
	}
}

func (d *decoder) checkEncryption(p Profile) {
	e := p.Encryption
	switch {
	case (e.Root || e.User) && e.Key == "":
		d.complain("encryption.key", nil, "the ARN of a symmetric KMS key in the profile's Region")
	case e.Key != "" && !keyPattern.MatchString(e.Key):
		d.complain("encryption.key", e.Key, "the ARN of a symmetric KMS key, or alias/…")
	case e.Key != "" && !e.Root && !e.User:
		d.complain("encryption.key", e.Key, "root: true or user: true beside it; a key alone encrypts nothing")
	}
}

func (d *decoder) checkTags(p Profile) {
	if len(p.Tags) > mostTags {
		d.complain("tags", fmt.Sprintf("%d tags", len(p.Tags)), fmt.Sprintf("at most %d (WorkSpaces takes 50, rollcall needs four)", mostTags))
	}
	for _, key := range slices.Sorted(maps.Keys(p.Tags)) {
		value := p.Tags[key]
		lower := strings.ToLower(key)
		switch {
		case key == "" || len(key) > 127 || key != strings.TrimSpace(key) || !tagPattern.MatchString(key):
			d.complain("tags."+key, value, "a name of 1 to 127 letters, digits, spaces and + - = . _ : / @")
		case strings.HasPrefix(lower, "aws:") || strings.HasPrefix(lower, "rollcall:"):
			d.complain("tags."+key, value, "a name that does not begin with aws: or rollcall: (those are reserved)")
		case len(value) > 255 || !tagPattern.MatchString(value):
			d.complain("tags."+key, value, "a value of at most 255 letters, digits, spaces and + - = . _ : / @")
		}
	}
}

func (d *decoder) checkPeople(p Profile) {
	if !idPattern.MatchString(p.Slot) {
		d.complain("slot", p.Slot, "1 to 64 of a-z, 0-9 and -")
	}
	if p.MaxInFlight < 1 || p.MaxInFlight > 10000 {
		d.complain("maxInFlight", p.MaxInFlight, "1 to 10000")
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
