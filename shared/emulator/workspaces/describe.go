package workspaces

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/shared/desktop"
)

// seen is a WorkSpace by its id, for an operation: one that is not visible yet is not there.
func (l *Lane) seen(id string, now time.Time) *desk {
	if d := l.byID[id]; d != nil && !now.Before(d.visible) {
		return d
	}
	return nil
}

// describe is DescribeWorkspaces. What is not there is left out, never an error.
func (l *Lane) describe(c call, in describeRequest) (describeAnswer, *refusal) {
	out := describeAnswer{Workspaces: []workspaceWire{}}
	if no := in.combination(); no != nil {
		return out, no
	}
	items := l.desks
	if in.DirectoryId != "" && in.UserName != "" {
		items = l.byName[nameKey(in.DirectoryId, in.UserName)]
	} else if len(in.WorkspaceIds) > 0 {
		items = l.named(in.WorkspaceIds)
	}
	wanted := func(d *desk) bool {
		return l.seen(d.ID, c.now) == d && anyOf(in.WorkspaceIds, d.ID) && l.matches(d, in)
	}
	query := in
	query.NextToken, query.Limit = "", 0
	found, next, no := page(l, c.now, items, func(d *desk) int { return d.order }, wanted, in.Limit, in.NextToken, query)
	if no != nil {
		return out, no
	}
	for _, d := range found {
		out.Workspaces = append(out.Workspaces, d.wire())
	}
	out.NextToken = next
	return out, nil
}

// combination refuses filters that cannot be combined.
func (in describeRequest) combination() *refusal {
	filters := 0
	for _, set := range []bool{len(in.WorkspaceIds) > 0, in.DirectoryId != "", in.BundleId != ""} {
		if set {
			filters++
		}
	}
	if filters > 1 {
		return refuse(invalidValues, "%s", combinedFilters)
	}
	if in.UserName != "" && in.DirectoryId == "" {
		return refuse(invalidValues, "%s", userNeedsFolder)
	}
	return nil
}

// named are the WorkSpaces of those ids, in the order in which they were made.
func (l *Lane) named(ids []string) []*desk {
	var found []*desk
	for _, id := range ids {
		if d := l.byID[id]; d != nil && !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b *desk) int { return a.order - b.order })
	return found
}

func (l *Lane) matches(d *desk, in describeRequest) bool {
	switch {
	case in.DirectoryId != "" && d.Directory != in.DirectoryId,
		in.BundleId != "" && d.Bundle != in.BundleId,
		in.WorkspaceName != "" && d.Name != in.WorkspaceName,
		in.UserName != "" && !strings.EqualFold(d.User, in.UserName),
		in.UserName != "" && l.knobs.NamesMatchExactly && d.User != in.UserName:
		return false
	}
	if in.UserName == "" || !l.knobs.FormerOwnerHidden {
		return true
	}
	_, u := l.user(d.Directory, in.UserName)
	return u == nil || d.SID == u.sid
}

// wire is a WorkSpace as the API shows it: without tags, times and SID.
func (d *desk) wire() workspaceWire {
	p := properties{
		RunningMode: string(d.RunningMode), ComputeTypeName: d.Compute, Protocols: d.Protocols, OperatingSystemName: d.OS,
		GlobalAccelerator: d.Accelerator,
	}
	for _, n := range []struct {
		to   **int
		from int
	}{
		{&p.RunningModeAutoStopTimeoutInMinutes, d.AutoStopMinutes},
		{&p.RootVolumeSizeGib, d.RootGB},
		{&p.UserVolumeSizeGib, d.UserGB},
	} {
		if n.from > 0 {
			*n.to = &n.from
		}
	}
	return workspaceWire{
		WorkspaceId: d.ID, DirectoryId: d.Directory, UserName: d.User, WorkspaceName: d.Name, State: string(d.State),
		BundleId: d.Bundle, SubnetId: d.Subnet, IpAddress: d.Address, ComputerName: d.Computer,
		ErrorCode: d.ErrorCode, ErrorMessage: d.ErrorMessage, VolumeEncryptionKey: d.Key,
		UserVolumeEncryptionEnabled: d.UserEncrypted, RootVolumeEncryptionEnabled: d.RootEncrypted,
		WorkspaceProperties: p, ModificationStates: slices.Clone(d.changes),
	}
}

// connections is DescribeWorkspacesConnectionStatus.
func (l *Lane) connections(c call, in connectionRequest) (connectionAnswer, *refusal) {
	out := connectionAnswer{WorkspacesConnectionStatus: []connectionWire{}}
	wanted := func(d *desk) bool { return l.seen(d.ID, c.now) == d && anyOf(in.WorkspaceIds, d.ID) }
	order := func(d *desk) int { return d.order }
	found, next, no := page(l, c.now, l.desks, order, wanted, 0, in.NextToken, in.WorkspaceIds)
	if no != nil {
		return out, no
	}
	for _, d := range found {
		status := connectionWire{WorkspaceId: d.ID, ConnectionState: d.connection(), ConnectionStateCheckTimestamp: epochOf(c.now)}
		if !d.LastConnected.IsZero() {
			status.LastKnownUserConnectionTimestamp = epochOf(d.LastConnected)
		}
		out.WorkspacesConnectionStatus = append(out.WorkspacesConnectionStatus, status)
	}
	out.NextToken = next
	return out, nil
}

func (d *desk) connection() string {
	switch {
	case d.State != desktop.Available:
		return "UNKNOWN"
	case d.Connected:
		return "CONNECTED"
	}
	return "DISCONNECTED"
}

// describeDirectories is DescribeWorkspaceDirectories.
func (l *Lane) describeDirectories(c call, in directoriesRequest) (directoriesAnswer, *refusal) {
	out := directoriesAnswer{Directories: []directoryWire{}}
	wanted := func(d *directory) bool {
		return d.State != deregistered && anyOf(in.DirectoryIds, d.ID) &&
			anyOf(in.WorkspaceDirectoryNames, d.Name) && d.passes(in.Filters)
	}
	query := in
	query.NextToken, query.Limit = "", 0
	order := func(d *directory) int { return d.order }
	found, next, no := page(l, c.now, l.directories, order, wanted, in.Limit, in.NextToken, query)
	if no != nil {
		return out, no
	}
	for _, d := range found {
		out.Directories = append(out.Directories, d.wire())
	}
	out.NextToken = next
	return out, nil
}

// passes holds a directory against filters: all of them, each by any of its values.
func (d *directory) passes(filters []filter) bool {
	for _, f := range filters {
		has := d.Workspaces
		if f.Name == "USER_IDENTITY_TYPE" {
			has = d.Identity
		}
		if !slices.Contains(f.Values, has) {
			return false
		}
	}
	return true
}

func (d *directory) wire() directoryWire {
	w := directoryWire{
		DirectoryId: d.ID, Alias: d.Alias, DirectoryName: d.Name, RegistrationCode: d.RegistrationCode,
		SubnetIds: d.Subnets, DirectoryType: d.Type, State: d.State, Tenancy: d.Tenancy,
		UserIdentityType: d.Identity, WorkspaceType: d.Workspaces, ErrorMessage: d.Error,
	}
	if d.EntraTenant != "" {
		w.MicrosoftEntraConfig = &entraConfig{d.EntraTenant}
	}
	return w
}

// describeBundles is DescribeWorkspaceBundles: by ids, AWS's own (Owner AMAZON), or the account's (no Owner).
func (l *Lane) describeBundles(c call, in bundlesRequest) (bundlesAnswer, *refusal) {
	out := bundlesAnswer{Bundles: []bundleWire{}}
	if len(in.BundleIds) > 0 && in.Owner != nil {
		return out, refuse(invalidValues, "BundleIds and Owner cannot be specified together.")
	}
	owner := l.ID.Account
	if in.Owner != nil {
		owner = *in.Owner
	}
	wanted := func(b *Bundle) bool {
		if len(in.BundleIds) > 0 {
			return slices.Contains(in.BundleIds, b.ID)
		}
		return b.Owner == owner
	}
	query := fmt.Sprint(in.BundleIds, owner)
	order := func(b *Bundle) int { return b.order }
	found, next, no := page(l, c.now, l.bundles, order, wanted, 0, in.NextToken, query)
	if no != nil {
		return out, no
	}
	for _, b := range found {
		out.Bundles = append(out.Bundles, b.wire())
	}
	out.NextToken = next
	return out, nil
}

func (b *Bundle) wire() bundleWire {
	return bundleWire{
		BundleId: b.ID, Name: b.Name, Owner: b.Owner, Description: b.Description,
		RootStorage: capacity{decimal(b.RootGB)}, UserStorage: capacity{decimal(b.UserGB)},
		ComputeType: computeType{b.Compute}, State: b.State, BundleType: "REGULAR",
		CreationTime: epochOf(b.made), LastUpdatedTime: epochOf(b.made),
	}
}

// describeAccount is DescribeAccount.
func (l *Lane) describeAccount(call, nothing) (accountAnswer, *refusal) {
	out := accountAnswer{
		DedicatedTenancySupport:             "DISABLED",
		DedicatedTenancyManagementCidrRange: l.account.ManagementCIDR,
		DedicatedTenancyAccountType:         l.account.Type,
	}
	if l.account.Dedicated {
		out.DedicatedTenancySupport = "ENABLED"
	}
	return out, nil
}
