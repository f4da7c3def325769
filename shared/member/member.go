// Package member holds what Microsoft Entra says about people and groups, as values.
//
// It knows no SDK: package entra reads, everyone else uses these words. It keeps "no" and "not known" apart:
// a Standing that was not read is Unknown, and nothing may be concluded from it.
package member

import "time"

// Person is what Entra says of one user. ID and UPN are never empty in a Person that was read in full; a null
// there means that the application lacks User.Read.All, and the read is an error, not a Person.
// https://learn.microsoft.com/graph/api/resources/user
type Person struct {
	ID                string `json:"id"`                // Entra object id
	UPN               string `json:"userPrincipalName"` // user@example.com; a guest's holds #EXT#
	DisplayName       string `json:"displayName,omitempty"`
	SAMAccountName    string `json:"sAMAccountName,omitempty"` // empty for cloud-only people
	MailNickname      string `json:"mailNickname,omitempty"`
	Mail              string `json:"mail,omitempty"`
	Department        string `json:"department,omitempty"`
	PreferredLanguage string `json:"preferredLanguage,omitempty"`
	OnPremisesSID     string `json:"onPremisesSid,omitempty"`
	Enabled           bool   `json:"enabled"`
	Guest             bool   `json:"guest"`
}

// Group is what Entra says of one group.
type Group struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Hidden is set for a group whose membership is hidden: zero members may mean "you may not see them".
	Hidden bool `json:"hidden,omitempty"`
	// Dynamic is set for a group with a membership rule.
	Dynamic bool `json:"dynamic,omitempty"`
}

// Position is where a roll of a group stands between two pages: plain data, to be kept as JSON while the roll of very
// many people goes on over several ticks. It holds no people, only what is still to be read; some 45 bytes for each
// nested group, 80 where those lie deep, and 20 for each page of the group being read (1,000 pages are a million
// people). The zero value with Group and Nested set begins a roll; each page has the next position; Done ends it.
type Position struct {
	Group  string `json:"group"` // object id
	Nested bool   `json:"nested,omitempty"`
	// Started is when the first page was asked for.
	Started time.Time `json:"started,omitzero"`
	// At is the path of the group that is being read, as in Page.Via; Link is its next page, empty for the first.
	At   string `json:"at,omitempty"`
	Link string `json:"link,omitempty"`
	// Some is set once that group has shown a member; Links are hashes of its links, so that a loop is noticed.
	Some  bool     `json:"some,omitempty"`
	Links []uint64 `json:"links,omitempty"`
	// Ahead are the paths of the groups to read after it, and Walked the ids of all groups met, the root first.
	Ahead  []string `json:"ahead,omitempty"`
	Walked []string `json:"walked,omitempty"`
	// Pages counts the pages read, Others the members that are neither people nor groups, Direct all members of the
	// group itself, People the people on the pages (one who is met twice counts twice).
	Pages  int  `json:"pages,omitempty"`
	Others int  `json:"others,omitempty"`
	Direct int  `json:"direct,omitempty"`
	People int  `json:"people,omitempty"`
	Done   bool `json:"done,omitempty"`
}

// Page is one page of a roll. No page may be taken for the roll: only all of them, up to Next.Done, are.
type Page struct {
	// People are those on the page. Somebody may be on several: directly, and through nested groups.
	People []Person
	// Via is by which path they are in the group: the object ids of the nested groups from the outer to the inner
	// one, joined by "/", empty for direct members.
	Via string
	// Next is the position after this page. It may be kept once everyone on the page has been written down.
	Next Position
}

// Roll is everyone in a group at one time: every page, or it would have been an error.
type Roll struct {
	Group  Group
	Nested bool // whether groups inside the group were walked
	// People holds each person once, by object id; Via says by which path a person is in the group: the
	// object ids of the nested groups from the outer to the inner one, joined by "/", empty for a direct member.
	People map[string]Person
	Via    map[string]string
	// Groups are the ids of the group itself and of every nested group that was walked.
	Groups []string
	// Others counts members that are neither people nor groups (devices, contacts).
	Others int
	// Direct counts the entries of the group itself, of every kind, groups too: what its $count is compared with.
	Direct int
	// Pages counts the requests that the roll took.
	Pages int
	Read  time.Time
}

// Standing is the answer to "is this person in this group?".
type Standing string

// The answers. Only In and Out are answers; everything else is Unknown.
const (
	Unknown Standing = ""
	In      Standing = "In"
	Out     Standing = "Out"
)

// Changes is what a feed named since its cursor. It is a poke, never data: it replays, reorders and repeats.
type Changes struct {
	// People are object ids of users who may have joined, left or changed.
	People []string
	// Trees are ids of the feed's groups in which a *group* joined or left, or which were themselves removed or
	// restored: their whole tree is to be read again.
	Trees []string
	// Next is the link to continue with: a next link while More, else a delta link. It is opaque and verbatim.
	Next string
	// More is set while the feed has pages that were not read (out of time): go on with Next at the next tick.
	More bool
	// Pages counts the requests that were made.
	Pages int
}

// Cursor is where a feed stands. A cursor moves (Link, Moved) only once everyone whom the feed named has been
// written as due; until then the same link is read again.
type Cursor struct {
	// Name is "users", or names a chain of groups.
	Name string `json:"name"`
	// Groups are the ids that a chain of groups follows, at most 50, sorted; empty for users.
	Groups []string `json:"groups,omitempty"`
	// Link is opaque, empty before the first read. Entra forgets a delta link after 7 days.
	Link string `json:"link,omitempty"`
	// More is set while Link is a next link: the feed was longer than one tick.
	More    bool      `json:"more,omitempty"`
	Started time.Time `json:"started,omitzero"`
	Moved   time.Time `json:"moved,omitzero"`

	Revision int64 `json:"revision,omitempty"`
}

// MostGroups is how many group ids one chain of groups/delta follows.
// https://learn.microsoft.com/graph/api/group-delta
const MostGroups = 50
