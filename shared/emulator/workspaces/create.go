package workspaces

import (
	"cmp"
	"fmt"
	"strings"

	"rollcall/shared/desktop"
)

// create is CreateWorkspaces. First what sinks the whole call, then each item by itself, then the quota.
func (l *Lane) create(c call, in createRequest) (createAnswer, *refusal) {
	out := createAnswer{FailedRequests: []failedCreate{}, PendingRequests: []workspaceWire{}}
	if no := l.sinking(in); no != nil {
		return out, no
	}
	l.batches++
	if l.knobs.Quota == QuotaWholeCall && l.overQuota(in) {
		return out, refuse(limitExceeded, "%s", l.knobs.QuotaMessage)
	}
	r := l.room()
	for _, item := range in.Workspaces {
		if f := l.refuseItem(item, &r); f != nil {
			out.FailedRequests = append(out.FailedRequests, failedCreate{item, f.Code, f.Message})
			continue
		}
		d := l.accept(c, item)
		out.PendingRequests = append(out.PendingRequests, d.wire())
	}
	return out, nil
}

// sinking is what is wrong with any one item in such a way that the whole call fails.
func (l *Lane) sinking(in createRequest) *refusal {
	for _, item := range in.Workspaces {
		if why := l.badTags(item.Tags); why != "" {
			return refuse(invalidValues, "%s", why)
		}
		if why := l.badName(item); why != "" {
			return refuse(invalidValues, "%s", why)
		}
		if why := l.badProperties(item); why != "" {
			return refuse(invalidValues, "%s", why)
		}
		if why := l.badVolumes(item); why != "" && !l.knobs.BadItemFailsAlone {
			return refuse(invalidValues, "%s", why)
		}
	}
	return nil
}

func (l *Lane) badName(item createItem) string {
	switch {
	case item.UserName == Undefined && item.WorkspaceName == "":
		return "WorkspaceName is required for user-decoupled WorkSpaces."
	case item.UserName != Undefined && item.WorkspaceName != "":
		return "WorkspaceName is not applicable for user-assigned WorkSpaces."
	}
	return ""
}

func (l *Lane) badProperties(item createItem) string {
	p := item.WorkspaceProperties
	if p == nil {
		return ""
	}
	if p.RunningMode == manual && !l.knobs.ManualAllowed {
		return "Running mode MANUAL is not supported for this account."
	}
	return badTimeout(p)
}

func badTimeout(p *properties) string {
	t := p.RunningModeAutoStopTimeoutInMinutes
	if t != nil && (*t <= 0 || *t%60 != 0) {
		return "RunningModeAutoStopTimeoutInMinutes must be a multiple of 60."
	}
	return ""
}

// badVolumes is what is wrong with an item's volume sizes; those not said are the bundle's.
func (l *Lane) badVolumes(item createItem) string {
	p, b := item.WorkspaceProperties, l.bundle(item.BundleId)
	if p == nil || b == nil || (p.RootVolumeSizeGib == nil && p.UserVolumeSizeGib == nil) {
		return ""
	}
	return badSizes(cmp.Or(p.ComputeTypeName, b.Compute), or(p.RootVolumeSizeGib, b.RootGB), or(p.UserVolumeSizeGib, b.UserGB))
}

func or(p *int, otherwise int) int {
	if p == nil {
		return otherwise
	}
	return *p
}

// badSizes holds a pair of sizes against what the compute type can have. The text for GRAPHICS was observed; the
// others follow it.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/modify-workspaces.html
func badSizes(compute string, root, user int) string {
	const most = 2000
	allowed, ok := "(80|10), (80|50), (80|100), (175+|100+)", root == 80 && (user == 10 || user == 50 || user == 100)
	least, leastUser := 175, 100
	switch {
	case strings.HasPrefix(compute, "GRAPHICS"):
		allowed, ok, least = "(100+|100+)", false, 100
	case strings.HasPrefix(compute, "GENERALPURPOSE"):
		allowed, ok = "(175+|100+)", false
	}
	if ok || (root >= least && root <= most && user >= leastUser && user <= most) {
		return ""
	}
	name := compute[:1] + strings.ToLower(compute[1:])
	return fmt.Sprintf("%s: Invalid root and user volume size selected. Root and user volume size (GB) must be %s.", name, allowed)
}

// refuseItem is why an item fails by itself, or nil. It takes a place of what the quota leaves.
func (l *Lane) refuseItem(item createItem, r *room) *Failure {
	if f := l.wrongItem(item); f != nil {
		return f
	}
	if i := l.injected(failItem, item.UserName); i != nil {
		return &i.failure
	}
	if !r.take(l.computeOf(item)) {
		return &l.knobs.QuotaItem
	}
	return nil
}

// wrongItem is refuseItem without what passes: the quota, and what was injected.
func (l *Lane) wrongItem(item createItem) *Failure {
	dir, u := l.user(item.DirectoryId, item.UserName)
	p := item.WorkspaceProperties
	if p == nil {
		p = &properties{}
	}
	mode := cmp.Or(desktop.RunningMode(p.RunningMode), l.knobs.DefaultRunningMode)
	timeout := p.RunningModeAutoStopTimeoutInMinutes != nil
	switch {
	case dir == nil || dir.State != registered:
		return &Failure{directoryCode, directoryMessage}
	case u == nil && item.UserName != Undefined:
		return &l.knobs.UserNotFound
	case u != nil && l.has(dir, u):
		return &Failure{existsCode, existsMessage}
	case l.bundle(item.BundleId) == nil || l.bundle(item.BundleId).State != "AVAILABLE":
		return &l.knobs.BundleNotFound
	case l.badKey(item):
		return &l.knobs.UnusableKey
	case timeout && mode == desktop.AlwaysOn:
		return &Failure{timeoutCode, timeoutMessage}
	case timeout && mode == manual:
		return &Failure{Code: manualCode}
	}
	if why := l.badVolumes(item); why != "" {
		return &Failure{invalidValues, why}
	}
	return nil
}

// has reports whether a person, by SID, has a WorkSpace in a directory that stands in the way of another.
func (l *Lane) has(dir *directory, u *user) bool {
	for _, d := range l.bySID[nameKey(dir.ID, u.sid)] {
		twin := l.knobs.TwinsAllowed && d.batch == l.batches
		gone := !l.knobs.ExistsWhileTerminating && d.State.Leaving()
		if !twin && !gone {
			return true
		}
	}
	return false
}

// badKey reports whether an item asks for a key that cannot be used.
func (l *Lane) badKey(item createItem) bool {
	key, wanted := item.VolumeEncryptionKey, yes(item.RootVolumeEncryptionEnabled) || yes(item.UserVolumeEncryptionEnabled)
	if key == "" {
		return wanted && l.knobs.EncryptionNeedsKey
	}
	if l.knobs.KeyAliasRefused && !strings.HasPrefix(key, "arn:") {
		return true
	}
	return !l.keys[key]
}

func yes(b *bool) bool { return b != nil && *b }

func (l *Lane) computeOf(item createItem) string {
	if p := item.WorkspaceProperties; p != nil && p.ComputeTypeName != "" {
		return p.ComputeTypeName
	}
	if b := l.bundle(item.BundleId); b != nil {
		return b.Compute
	}
	return ""
}

// accept makes a WorkSpace PENDING.
func (l *Lane) accept(c call, item createItem) *desk {
	w := WorkSpace{
		Directory: item.DirectoryId, User: item.UserName, Name: item.WorkspaceName, Bundle: item.BundleId,
		Key:           item.VolumeEncryptionKey,
		RootEncrypted: yes(item.RootVolumeEncryptionEnabled), UserEncrypted: yes(item.UserVolumeEncryptionEnabled),
		Tags: map[string]string{}, MadeBy: c.caller, Made: c.now,
	}
	if (w.RootEncrypted || w.UserEncrypted) && w.Key == "" {
		w.Key = "alias/aws/workspaces"
	}
	for _, t := range item.Tags {
		w.Tags[t.Key] = t.Value
	}
	if _, u := l.user(item.DirectoryId, item.UserName); u != nil {
		w.SID = u.sid
	}
	if p := item.WorkspaceProperties; p != nil {
		w.RunningMode = desktop.RunningMode(p.RunningMode)
		w.AutoStopMinutes = or(p.RunningModeAutoStopTimeoutInMinutes, 0)
		w.RootGB, w.UserGB = or(p.RootVolumeSizeGib, 0), or(p.UserVolumeSizeGib, 0)
		w.Compute, w.OS, w.Protocols = p.ComputeTypeName, p.OperatingSystemName, p.Protocols
		w.Accelerator = p.GlobalAccelerator
	}
	d := l.add(w, c.now)
	d.batch = l.batches
	takes := l.knobs.ReadyAfter
	if w.RootEncrypted || w.UserEncrypted {
		takes = l.knobs.ReadyAfterEncrypted
	}
	var doom *LaunchFailure
	if i := l.injected(failLaunch, d.User); i != nil {
		doom = &LaunchFailure{i.failure, i.noSubnet}
	}
	l.launch(d, c.now, l.draw(takes, "ready", d.ID), doom)
	return d
}
