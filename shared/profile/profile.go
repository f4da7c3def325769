// Package profile is the AP profile (auto-provision profile): "members of this Entra group get this WorkSpace,
// in this account, Region and directory, with these settings".
//
// It decodes what an administrator wrote, complains about every field that is wrong (which field, which value,
// what is expected, what was probably meant), fills in safe defaults, and gives each content a version: a hash by
// which a person approves it. It refuses half a profile: one complaint, and this profile does nothing. It knows
// nothing of Entra or WorkSpaces beyond their documented limits; whether a bundle or a group exists is asked
// elsewhere.
package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"rollcall/shared/desktop"
	"rollcall/shared/member"
)

// Profile is an AP profile with its defaults filled in. Five fields make a useful one: group, account, region,
// directory and bundle.
//
// A field added here must mean the same as before at its zero value, because the version is a hash of the fields
// that are not zero: an upgrade of rollcall must not turn every approved profile into an unapproved one.
type Profile struct {
	ID    string `json:"id"`              // 1 to 64 of a-z 0-9 and -
	Note  string `json:"note,omitempty"`  // free text for people
	Group string `json:"group,omitempty"` // Entra object id, or a display name that is resolved once, at approval

	Account string `json:"account,omitempty"` // 12 digits
	Region  string `json:"region,omitempty"`
	// Directories are one or several, all d-… or all wsd-…, sorted; "directory" is short for one.
	Directories []string `json:"directories,omitempty"`

	Bundle          string              `json:"bundle,omitempty"`
	RunningMode     desktop.RunningMode `json:"runningMode,omitempty"`     // default AUTO_STOP
	AutoStopMinutes int                 `json:"autoStopMinutes,omitempty"` // default 60 with AUTO_STOP
	RootGB          int                 `json:"rootGB,omitempty"`          // both sizes or neither; default: the bundle's
	UserGB          int                 `json:"userGB,omitempty"`
	Protocol        string              `json:"protocol,omitempty"` // default: the bundle's
	Encryption      Encryption          `json:"encryption,omitzero"`
	Tags            map[string]string   `json:"tags,omitempty"`

	// Slot is what a person holds one desktop of; Priority decides among the profiles of a slot, higher first.
	Slot     string `json:"slot,omitempty"` // default "main"
	Priority int    `json:"priority,omitempty"`

	// UserName is the attribute that becomes the WorkSpaces user name. Default: userPrincipalName for an
	// Entra-joined directory (wsd-…), else sAMAccountName.
	UserName UserNameSource `json:"userName,omitempty"`
	// DirectOnly counts only direct members of the group; by default nested groups count too.
	DirectOnly bool `json:"directOnly,omitempty"`
	// Guests lets guest accounts have desktops; by default they are not eligible.
	Guests bool `json:"guests,omitempty"`
	// MaxInFlight is the most creates at one time, once the rollout has grown to it: 1 to 10000. Default 500.
	MaxInFlight int `json:"maxInFlight,omitempty"`
	// Paused freezes everyone whom the profile could entitle: nothing is created, nothing is taken away.
	Paused bool `json:"paused,omitempty"`
}

// Encryption of the volumes. Only possible when a desktop is created; it cannot be turned off later.
type Encryption struct {
	Root bool   `json:"root,omitempty"`
	User bool   `json:"user,omitempty"`
	Key  string `json:"key,omitempty"` // ARN of a symmetric KMS key, or alias/…
}

// UserNameSource is an attribute of an Entra user.
type UserNameSource string

// The attributes that may become a WorkSpaces user name.
const (
	SAMAccountName UserNameSource = "sAMAccountName"
	UPN            UserNameSource = "userPrincipalName"
	UPNPrefix      UserNameSource = "userPrincipalNamePrefix" // the part before the @
	MailNickname   UserNameSource = "mailNickname"
)

// Defaults.
const (
	DefaultSlot        = "main"
	DefaultAutoStop    = 60 // minutes
	DefaultMaxInFlight = 500
)

// Lane is the account and Region whose worker acts for the profile.
func (p Profile) Lane() desktop.Lane { return desktop.Lane{Account: p.Account, Region: p.Region} }

// Spec is what the profile asks of each desktop.
func (p Profile) Spec() desktop.Spec {
	return desktop.Spec{
		Bundle: p.Bundle, RunningMode: p.RunningMode, AutoStopMinutes: p.AutoStopMinutes,
		RootGB: p.RootGB, UserGB: p.UserGB, Protocol: p.Protocol,
		EncryptRoot: p.Encryption.Root, EncryptUser: p.Encryption.User, Key: p.Encryption.Key,
		Tags: p.Tags,
	}
}

// Version is the content's hash: 12 hexadecimal digits. The note is no part of it, nor is the pause: a person must
// be able to pause a profile at once, and to let it go on as it was approved.
func (p Profile) Version() string {
	p.Note, p.Paused = "", false
	body, err := json.Marshal(p) // strings, numbers and sorted maps: cannot fail
	if err != nil {
		panic(fmt.Sprintf("hashing profile %s: %v", p.ID, err))
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:6])
}

// UserNameOf is the WorkSpaces user name of a person under this profile, or a complaint that says which attribute
// is missing or does not fit. WorkSpaces takes 1 to 63 characters.
// https://docs.aws.amazon.com/workspaces/latest/api/API_WorkspaceRequest.html
func (p Profile) UserNameOf(who member.Person) (string, error) {
	name := ""
	switch p.UserName {
	case SAMAccountName:
		name = who.SAMAccountName
		if name == "" {
			return "", fmt.Errorf("has no sAMAccountName in Entra: the account is not synchronised from Active Directory")
		}
	case UPN:
		name = who.UPN
	case UPNPrefix:
		name, _, _ = strings.Cut(who.UPN, "@")
	case MailNickname:
		name = who.MailNickname
	}
	switch {
	case name == "":
		return "", fmt.Errorf("has no %s in Entra", p.UserName)
	case strings.Contains(strings.ToUpper(name), "#EXT#"):
		return "", fmt.Errorf("is a guest: %s %q is not a user name of any directory", p.UserName, name)
	case utf8.RuneCountInString(name) > desktop.MostUserName:
		return "", fmt.Errorf("has a %s of %d characters (%q); WorkSpaces takes at most %d",
			p.UserName, utf8.RuneCountInString(name), name, desktop.MostUserName)
	}
	if complaints := desktop.UserNameComplaints(name); len(complaints) > 0 {
		return "", fmt.Errorf("has a %s of %q: expected %s", p.UserName, name, complaints[0].Expected)
	}
	return name, nil
}

// Eligible reports why a member of the group may not have a desktop, as a code and a sentence; both are empty for
// somebody who may.
func (p Profile) Eligible(who member.Person) (code, why string) {
	switch {
	case !who.Enabled:
		return "Disabled", "The account is disabled in Entra."
	case who.Guest && !p.Guests:
		return "Guest", "The account is a guest; profile " + p.ID + " is for members of the organisation (set guests: true to change that)."
	}
	if _, err := p.UserNameOf(who); err != nil {
		return "NoUserName", "The account " + err.Error() + "."
	}
	return "", ""
}

// fillDefaults puts the directories in order first: how they were listed must not change the version.
func (p *Profile) fillDefaults() {
	slices.Sort(p.Directories)
	p.Directories = slices.Compact(p.Directories)
	if p.RunningMode == "" {
		p.RunningMode = desktop.AutoStop
	}
	if p.RunningMode == desktop.AutoStop && p.AutoStopMinutes == 0 {
		p.AutoStopMinutes = DefaultAutoStop
	}
	if p.Slot == "" {
		p.Slot = DefaultSlot
	}
	if p.MaxInFlight == 0 {
		p.MaxInFlight = DefaultMaxInFlight
	}
	if p.UserName == "" {
		p.UserName = SAMAccountName
		if len(p.Directories) > 0 && entraJoined(p.Directories[0]) { // all are of one kind, or there is a complaint
			p.UserName = UPN
		}
	}
}

// entraJoined reports whether a directory is joined to Entra, by its id.
func entraJoined(directory string) bool { return strings.HasPrefix(directory, "wsd-") }
