// Package workspaces is Amazon WorkSpaces (Personal) as far as rollcall meets it, over real HTTP and on a clock
// that the test holds, with the two neighbours that show the same state: EC2's DescribeSubnets, whose free
// addresses fall as WorkSpaces are placed, and Service Quotas' GetServiceQuota.
//
// It exists because no emulator has what makes provisioning hard: a WorkSpace that is PENDING for twenty minutes
// and then perhaps in ERROR, an id that cannot be described yet, one WorkSpace per person and directory (by SID,
// not by name), failures of single items inside a successful answer, a quota of 1, and two calls a second.
//
// An Emulator has lanes, one for each account and Region. A scenario sets a lane up with its methods (AddSubnet,
// AddDirectory, AddUsers, AddBundle, AddKey, SetQuota, Put), lets things go wrong (FailCalls, FailItems,
// FailLaunches, DropAnswers, SetState, SetError, SetFree, Knobs), and asks at the end what exists (List, Gone).
// Everything that takes time happens when the clock gets there, each thing at its own instant, and everything
// that is left to chance (ids, durations, the choice of a subnet) is decided by the seed and by what it is about,
// not by the order of calls: a run can be repeated exactly.
//
// It refuses what the service refuses, with the service's own words where they are known. Where nothing is known
// it has a switch, and Contract says so: nobody may learn from this package what AWS does, only be held to
// working either way. It does not know pools, images, IP groups, connection aliases, standby WorkSpaces, IPv6, or
// who may call what; it does not check that a bundle fits a directory's tenancy, nor that a user name suits the
// operating system.
package workspaces

// Evidence is how a behaviour of the service is known.
type Evidence string

// The kinds of evidence.
const (
	Documented Evidence = "D" // by AWS: the API model or the documentation
	Observed   Evidence = "O" // by users: an issue, a log, a script that runs against AWS
	Emulated   Evidence = "E" // only seen in another emulator
	Inferred   Evidence = "I" // follows from what is known
	NotKnown   Evidence = "U" // searched and not found: a switch, set to the harder side
)

// Clause is one behaviour, how it is known, and the knobs that change it (fields of Knobs).
type Clause struct {
	Evidence Evidence
	Says     string
	Knobs    []string
}

// Contract is what this package promises to do like the service, and how that is known. A test sees to it that
// every knob stands here, and that nothing unknown is without one.
func Contract() []Clause {
	return append(append(contractOfCreate(), contractOfLife()...), contractOfTheRest()...)
}

func contractOfCreate() []Clause {
	return []Clause{
		{Documented, "1 to 25 items, patterns, lengths, enums and required members of the API model", nil},
		{Inferred, "a request out of those limits is ValidationException for the whole call, in the words of other AWS services", nil},
		{Documented, "an answer is 200 with FailedRequests and PendingRequests, even if every item failed", nil},
		{Inferred, "both lists are always there, empty or not", nil},
		{Observed, "a combination of volume sizes that cannot be is InvalidParameterValuesException", nil},
		{NotKnown, "and sinks the whole call", []string{"BadItemFailsAlone"}},
		{Observed, "ResourceExists.WorkSpace and its text: one WorkSpace per person and directory", nil},
		{Documented, "the person is the AD SID: a name deleted and added again may have a second WorkSpace", nil},
		{NotKnown, "the one on its way out still stands in the way", []string{"ExistsWhileTerminating"}},
		{NotKnown, "two items for one person in a call: the second is ResourceExists.WorkSpace", []string{"TwinsAllowed"}},
		{Observed, "ResourceNotFound.Directory and its text, also for one of another Region or not registered", nil},
		{Observed, "ResourceNotFound.User", nil},
		{NotKnown, "and its text", []string{"UserNotFound"}},
		{NotKnown, "code and text for a bundle that is not there or not AVAILABLE", []string{"BundleNotFound"}},
		{Documented, "text for a KMS key that cannot be used", nil},
		{NotKnown, "and its code, and that it fails the item", []string{"UnusableKey"}},
		{NotKnown, "a key may be named by its alias", []string{"KeyAliasRefused"}},
		{NotKnown, "encryption without a key takes the AWS-managed one", []string{"EncryptionNeedsKey"}},
		{Emulated, "AutoStopTimeoutIsNotApplicableForAnAlwaysOnWorkspace and its text, AutoStopTimeoutIsNotDefaultForManualWorkspace", nil},
		{Documented, "MANUAL only for accounts that were allowed it", []string{"ManualAllowed"}},
		{NotKnown, "the running mode when none is said", []string{"DefaultRunningMode"}},
		{Observed, "a compute type that does not fit the bundle is accepted", nil},
		{Documented, "the quota of WorkSpaces is 1 in a new account, others by compute type; ResourceLimitExceededException is modelled", nil},
		{NotKnown, "a batch that does not fit fails as a whole, with this text", []string{"Quota", "QuotaMessage", "QuotaItem"}},
		{NotKnown, "WorkSpaces in ERROR, and those on their way out, count", []string{"QuotaSkipsErrored", "QuotaSkipsTerminating"}},
	}
}

func contractOfLife() []Clause {
	return []Clause{
		{Documented, "PENDING, then AVAILABLE or ERROR; up to 20 minutes, up to 40 encrypted", []string{"ReadyAfter", "ReadyAfterEncrypted"}},
		{Documented, "a new id is not there for other operations at once", nil},
		{NotKnown, "for how long", []string{"VisibleAfter"}},
		{Inferred, "a subnet's free addresses lag: a PENDING WorkSpace takes its own a little later", []string{"PlacedAfter"}},
		{Observed, "without a free address: ERROR with this message and no SubnetId", nil},
		{NotKnown, "and with which code", []string{"NoAddress"}},
		{NotKnown, "how launches are split over two subnets", []string{"Placement"}},
		{Documented, "TERMINATING for some 5 minutes, briefly TERMINATED, then absent", []string{"TerminatedAfter", "TerminatedFor"}},
		{Documented, "terminate from any state but SUSPENDED; start, stop, reboot, rebuild, restore, migrate, modify by the states of the API reference", nil},
		{NotKnown, "per-item codes and texts of start, stop, reboot, rebuild, terminate", []string{"WorkspaceNotFound", "WrongState"}},
		{Documented, "InvalidUserConfiguration.Workspace: rebuild after the user's name changed", nil},
		{Documented, "rebuild and restore need a snapshot; the first within 30 minutes, then every 12 hours", []string{"FirstSnapshotAfter", "SnapshotEvery"}},
		{Documented, "rebuild gives a new address; migrate a new id, name and address, with tags and running mode kept, within an hour", []string{"RebuiltAfter", "MigratedAfter"}},
		{NotKnown, "how long starting, stopping, rebooting and modifying take", []string{"StartedAfter", "StoppedAfter", "RebootedAfter", "ModifiedAfter"}},
		{Documented, "volumes and larger compute types only 6 hours after launch or change, never smaller, user volume to 100 first", nil},
		{Observed, "one property a call; the state may not show UPDATING", []string{"UpdatingShown"}},
		{Documented, "AUTO_STOP stops after its time without a user", []string{"AutoStops"}},
		{Documented, "a Simple AD or AD Connector directory is deregistered after 30 days without WorkSpaces", []string{"IdleDeregistered"}},
	}
}

func contractOfTheRest() []Clause {
	return []Clause{
		{Documented, "2 calls a second, burst 5: ThrottlingException", []string{"Rate", "Burst"}},
		{Inferred, "with status 400 and the text Rate exceeded", nil},
		{NotKnown, "all operations of an account and Region share the bucket", []string{"ThrottlePerOperation"}},
		{Documented, "DescribeWorkspaces takes one filter; UserName only with DirectoryId; ids that are not there are left out", nil},
		{Emulated, "the two texts for filters that do not go together", nil},
		{NotKnown, "names are compared without their case", []string{"NamesMatchExactly"}},
		{NotKnown, "by name, the WorkSpace of a former SID is found too", []string{"FormerOwnerHidden"}},
		{NotKnown, "pages may be short or empty with a NextToken", []string{"PageSize", "EmptyPages"}},
		{Documented, "a NextToken is good for a day", nil},
		{Documented, "50 tags a resource, reserved prefixes, characters; DescribeTags takes one resource and has no pages", nil},
		{Documented, "connection status is UNKNOWN for a stopped WorkSpace", nil},
		{Documented, "DescribeSubnets and GetServiceQuota show the state of the same lane", nil},
		{NotKnown, "how long an answer takes", []string{"Latency"}},
	}
}
