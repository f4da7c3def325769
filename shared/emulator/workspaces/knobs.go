package workspaces

import (
	"time"

	"rollcall/shared/desktop"
)

// Range is a span of time to draw from: the same seed draws the same. Max at or below Min means Min, always.
type Range struct{ Min, Max time.Duration }

// Failure is a code and a text, as the service gives them for one item, or for a WorkSpace in state ERROR.
type Failure struct{ Code, Message string }

// QuotaAnswer is how CreateWorkspaces says that the quota does not suffice. Which it is, is unknown.
type QuotaAnswer string

// The quota answers.
const (
	QuotaWholeCall QuotaAnswer = "whole-call" // ResourceLimitExceededException, nothing is made
	QuotaPerItem   QuotaAnswer = "per-item"   // what fits is made, the rest are FailedRequests
)

// Placement is how launches are split over a directory's two subnets. Which it is, is unknown.
type Placement string

// The placements.
const (
	PlaceMostFree Placement = "most-free" // the subnet with more free addresses
	PlaceBlindly  Placement = "blindly"   // either one, even if it is full and the other is not
)

// Knobs are everything that is a matter of chance, of configuration, or unknown about the service. The evidence
// for each stands in Contract. A Knobs is a value: change a lane's by Lane.Set.
type Knobs struct {
	// How long things take.
	VisibleAfter        Range         // until a new WorkSpace can be seen and named by any operation
	PlacedAfter         Range         // until a PENDING WorkSpace takes its address (the subnet's count lags)
	ReadyAfter          Range         // from PENDING to AVAILABLE or ERROR
	ReadyAfterEncrypted Range         // the same, with an encrypted volume
	TerminatedAfter     Range         // from TERMINATING to TERMINATED
	TerminatedFor       time.Duration // from TERMINATED to gone
	StartedAfter        Range         // STARTING
	StoppedAfter        Range         // STOPPING
	RebootedAfter       Range         // REBOOTING
	RebuiltAfter        Range         // REBUILDING, RESTORING
	ModifiedAfter       Range         // a modification of a volume, compute type or protocol
	MigratedAfter       Range         // from MigrateWorkspace to the target's AVAILABLE
	FirstSnapshotAfter  time.Duration // from the first AVAILABLE to the first snapshot
	SnapshotEvery       time.Duration
	Latency             time.Duration // of every answer; it passes on the clock, after the call has been done

	// The throttle: a token bucket; Rate 0 turns it off.
	Rate                 float64 // calls a second
	Burst                int
	ThrottlePerOperation bool // each operation has a bucket of its own

	// The quota.
	Quota                  QuotaAnswer
	QuotaMessage           string  // of ResourceLimitExceededException
	QuotaItem              Failure // of QuotaPerItem
	QuotaSkipsErrored      bool    // WorkSpaces in ERROR do not count
	QuotaSkipsTerminating  bool    // nor do those on their way out
	ExistsWhileTerminating bool    // ResourceExists.WorkSpace until the old one is gone
	TwinsAllowed           bool    // two items for one person in one call are both accepted
	BadItemFailsAlone      bool    // a bad volume size fails its item, not the call
	FormerOwnerHidden      bool    // DescribeWorkspaces by user name leaves out the WorkSpace of a former SID
	NamesMatchExactly      bool    // DescribeWorkspaces compares user names with their case
	KeyAliasRefused        bool    // an alias instead of a key's ARN is UnusableKey
	EncryptionNeedsKey     bool    // an encryption flag without a key is UnusableKey; else the AWS-managed key
	DefaultRunningMode     desktop.RunningMode
	ManualAllowed          bool // the account may use RunningMode MANUAL (WorkSpaces Core)
	UpdatingShown          bool // a modification shows as state UPDATING
	AutoStops              bool // an AUTO_STOP WorkSpace nobody is connected to stops after its time
	IdleDeregistered       bool // an empty SIMPLE_AD or AD_CONNECTOR directory is deregistered after 30 days
	Placement              Placement
	PageSize               int  // most items of a page, 1 to 25
	EmptyPages             bool // each listing begins with an empty page and a NextToken

	// What is said. Only NoAddress.Message and UserNotFound.Code are known.
	UserNotFound      Failure
	BundleNotFound    Failure
	UnusableKey       Failure
	NoAddress         Failure
	WorkspaceNotFound Failure // start, stop, reboot, rebuild, terminate
	WrongState        Failure // the same; the message is followed by the state
}

// Usual are the knobs as close to the service as is known, and where nothing is known on the side that is harder
// for a caller. Durations are those of the administration guide; see Contract.
func Usual() Knobs {
	return Knobs{
		VisibleAfter:        Range{5 * time.Second, 60 * time.Second},
		PlacedAfter:         Range{time.Minute, 3 * time.Minute},
		ReadyAfter:          Range{10 * time.Minute, 20 * time.Minute},
		ReadyAfterEncrypted: Range{20 * time.Minute, 40 * time.Minute},
		TerminatedAfter:     Range{4 * time.Minute, 6 * time.Minute},
		TerminatedFor:       10 * time.Second,
		StartedAfter:        Range{time.Minute, 2 * time.Minute},
		StoppedAfter:        Range{time.Minute, 2 * time.Minute},
		RebootedAfter:       Range{2 * time.Minute, 5 * time.Minute},
		RebuiltAfter:        Range{20 * time.Minute, 60 * time.Minute},
		ModifiedAfter:       Range{10 * time.Minute, 60 * time.Minute},
		MigratedAfter:       Range{30 * time.Minute, 60 * time.Minute},
		FirstSnapshotAfter:  30 * time.Minute,
		SnapshotEvery:       12 * time.Hour,

		Rate:  2,
		Burst: 5,

		Quota:                  QuotaWholeCall,
		QuotaMessage:           "This request would cause you to exceed the limit of WorkSpaces for your account.",
		QuotaItem:              Failure{"ResourceLimitExceeded.WorkSpace", "The limit of WorkSpaces for your account has been reached."},
		ExistsWhileTerminating: true,
		DefaultRunningMode:     desktop.AlwaysOn,
		AutoStops:              true,
		IdleDeregistered:       true,
		Placement:              PlaceMostFree,
		PageSize:               25,

		UserNotFound:      Failure{"ResourceNotFound.User", "The specified user could not be found in the directory."},
		BundleNotFound:    Failure{"ResourceNotFound.Bundle", "The specified bundle could not be found."},
		UnusableKey:       Failure{"InvalidKey.WorkSpace", keyMessage},
		NoAddress:         Failure{"", noAddressMessage},
		WorkspaceNotFound: Failure{"ResourceNotFound.Workspace", "The specified WorkSpace could not be found."},
		WrongState:        Failure{"InvalidState.Workspace", "The WorkSpace is in a state that does not allow this: "},
	}
}

// Texts that are documented or were observed, word for word; section 1.3 of the facts says where.
const (
	existsCode       = "ResourceExists.WorkSpace" // with a capital S
	existsMessage    = "A WorkSpace already exists for the specified user."
	directoryCode    = "ResourceNotFound.Directory"
	directoryMessage = "The specified directory could not be found in the specified region."
	timeoutCode      = "AutoStopTimeoutIsNotApplicableForAnAlwaysOnWorkspace"
	timeoutMessage   = "RunningModeAutoStopTimeoutInMinutes is not applicable for WorkSpace with running mode set to ALWAYS_ON."
	manualCode       = "AutoStopTimeoutIsNotDefaultForManualWorkspace"
	userConfigCode   = "InvalidUserConfiguration.Workspace" // with a small s
	userConfigText   = "The user was either not found or is misconfigured."
	keyMessage       = "The specified key is not available. Please provide a valid key for encryption"
	noAddressMessage = "The Subnet in which the WorkSpace was launched does not have an available private IP Address"
	combinedFilters  = "An invalid number of parameters provided with DescribeWorkspaces. Only one of the following are allowed to be specified: BundleId, DirectoryId, WorkSpaceIds, Filters."
	userNeedsFolder  = "The DirectoryId parameter is required when UserName is used."
)
