package graph

import "slices"

// grant is who asks, and the application permissions in the token.
type grant struct {
	app   string
	roles []string
}

func (g grant) has(any ...string) bool {
	return slices.ContainsFunc(any, func(p string) bool { return slices.Contains(g.roles, p) })
}

// groups may read groups and memberships. https://learn.microsoft.com/graph/api/group-list-members
func (g grant) groups() bool {
	return g.has("GroupMember.Read.All", "Group.Read.All", "GroupMember.ReadWrite.All", "Group.ReadWrite.All",
		"Directory.Read.All", "Directory.ReadWrite.All")
}

// users may read users in full. https://learn.microsoft.com/graph/api/user-get
func (g grant) users() bool {
	return g.has("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
}

// both is what checkMemberGroups asks for a user.
// https://learn.microsoft.com/graph/api/directoryobject-checkmembergroups
func (g grant) both() bool { return g.users() && g.groups() }

func (g grant) either() bool { return g.users() || g.groups() }

// sees reports whether objects of the kind come with their properties, or with nothing but type and id.
// https://learn.microsoft.com/graph/permissions-overview, "Limited information returned for inaccessible member
// objects"
func (g grant) sees(k Kind) bool {
	switch k {
	case UserKind:
		return g.users()
	case GroupKind:
		return g.groups()
	case Device:
		return g.has("Device.Read.All", "Directory.Read.All", "Directory.ReadWrite.All")
	case Contact:
		return g.has("OrgContact.Read.All", "Directory.Read.All", "Directory.ReadWrite.All")
	case ServicePrincipal:
		return g.has("Application.Read.All", "Directory.Read.All", "Directory.ReadWrite.All")
	}
	return false
}

// hidden may read hidden memberships.
func (g grant) hidden() bool { return g.has("Member.Read.Hidden") }

// leaveDates may read employeeLeaveDateTime. https://learn.microsoft.com/graph/api/user-get
func (g grant) leaveDates() bool {
	return g.has("User-LifeCycleInfo.Read.All", "User-LifeCycleInfo.ReadWrite.All")
}
