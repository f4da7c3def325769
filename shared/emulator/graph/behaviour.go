package graph

import "time"

// Behaviour is what may differ from tenant to tenant, or is not known of the real service. Defaults says what is
// there at first; Emulator.Configure changes it at any time. doc.go lists which switch stands for which fact.
type Behaviour struct {
	Lag Lag
	// Uneven lets every second read of a kind that lags come from a replica that does not: a client then sees the
	// new state, and the old one after it.
	Uneven bool

	PageSize int // without $top; 100, documented
	MostTop  int // the largest $top; 999, observed

	// DeltaGroups is how many group objects fit a delta page, and so how many groups interleave; DeltaMembers how
	// many members one object shows before the group goes on on a next page; DeltaUsers how many users fit a page.
	// The real sizes are not documented.
	DeltaGroups, DeltaMembers, DeltaUsers int

	DeltaLife time.Duration // of delta links, and of next links inside a round; 7 days, documented
	PageLife  time.Duration // of next links of lists; zero: for ever. The real life is not documented
	Expired   Expiry        // how an old delta link is refused

	FirstTombstones     bool   // a first delta answer names who was removed in the last 30 days; documented as possible
	Replay              Replay // whether a round repeats the one before
	EmptyPages          bool   // every round or list begins with an empty page that has a next link; documented as possible
	EndlessDelta        bool   // a round never ends: the same page again and again; observed in 2019
	LatestRefusesFilter bool   // $deltatoken=latest with $filter is refused; unknown
	PurgeUnseen         bool   // a permanently deleted user does not show in groups/delta; observed

	// SoftDeletedMembers lists soft-deleted users in /members and memberOf reads. They do keep their memberships;
	// whether lists show them is not documented.
	SoftDeletedMembers bool
	Hidden             Hidden // a hidden membership without Member.Read.Hidden; unknown
	LeaveDate          Hidden // employeeLeaveDateTime without its permission: null, or 403; unknown
	// CastWithoutHeader lets "/members/microsoft.graph.user" work without ConsistencyLevel; observed, against the
	// documentation. transitiveMembers always needs it.
	CastWithoutHeader bool
	// ServicePrincipals lists them in v1.0 /members, which the known issue says v1.0 does not.
	ServicePrincipals bool
	BatchInOrder      bool // answers of a batch come in the order of the requests; Graph promises no order

	// UnitsPer10s is the resource unit limit of an app in the tenant: zero is the documented one for the tenant's
	// size (3,500, 5,000 or 8,000), negative is no limit.
	UnitsPer10s int
	// RequestsPerSecond is the limit of an app over all; zero is none. Documented: 2,000. It is off by default
	// because a clock that stands still lets no second pass.
	RequestsPerSecond int

	TokenLife time.Duration // of an access token
}

// Lag is how far reads are behind the clock, by kind of read.
type Lag struct {
	Lookup     time.Duration // a user or group by id, lists of users and groups
	Members    time.Duration // plain /members and /transitiveMembers
	Check      time.Duration // checkMemberGroups, memberOf
	Index      time.Duration // advanced queries: cast, $count, $filter on members; documented to lag
	Delta      time.Duration // both delta feeds
	Federation time.Duration // until a new federated credential is known
}

// Everywhere is a Lag of d for every read of the directory.
func Everywhere(d time.Duration) Lag {
	return Lag{Lookup: d, Members: d, Check: d, Index: d, Delta: d}
}

// Expiry is how a delta link that is too old is refused.
type Expiry string

// The ways. Which of them Entra uses today is not known.
const (
	SyncStateNotFound Expiry = "syncStateNotFound"  // 400 with that code
	NestedSyncState   Expiry = "nested"             // 400 BadRequest, that code in innerError
	GoneWithLocation  Expiry = "410"                // 410 with a Location whose $deltatoken is empty
	ExpiredPageToken  Expiry = "expired page token" // 400 Directory_ExpiredPageToken
)

// Replay is how a delta round repeats the one before. Repeats are documented; their order is not.
type Replay string

// The ways.
const (
	NoReplay    Replay = ""
	ReplayNet   Replay = "net"   // what changed in the last round comes again, as it is now
	ReplayStale Replay = "stale" // what changed in the last round comes again, as it was then, after the news
)

// Hidden is what an app gets that may not read something.
type Hidden string

// The ways.
const (
	ShownEmpty Hidden = "empty" // 200 without members; null
	Denied     Hidden = "403"   // Authorization_RequestDenied
)

// Defaults is the documented behaviour, and for what is not known the one that asks more of a client.
func Defaults() Behaviour {
	return Behaviour{
		PageSize: 100, MostTop: 999, DeltaGroups: 20, DeltaMembers: 100, DeltaUsers: 200,
		DeltaLife: 7 * 24 * time.Hour, Expired: SyncStateNotFound, FirstTombstones: true,
		Hidden: ShownEmpty, LeaveDate: ShownEmpty, TokenLife: time.Hour,
	}
}
