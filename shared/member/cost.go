package member

// The limits of Microsoft Graph that decide what an answer costs.
const (
	MembersPage       = 999 // members of a group in one page: more is refused. learn.microsoft.com/graph/api/group-list-members
	MostIn            = 15  // values that one "in" takes. learn.microsoft.com/graph/filter-query-parameter
	MostBatch         = 20  // requests in one $batch. learn.microsoft.com/graph/json-batching
	MostGroupsChecked = 20  // groups that one checkMemberGroups takes. learn.microsoft.com/graph/api/directoryobject-checkmembergroups
)

// LookUps is how many requests it takes to read n people and their standing in g groups.
func LookUps(n, g int) int {
	if n <= 0 {
		return 0
	}
	return ceil(ceil(n, MostIn), MostBatch) + ceil(n*ceil(g, MostGroupsChecked)+g, MostBatch)
}

// RollPages is how many requests it takes to take the roll of a group with that many members and that many groups
// nested in it; a group that turns out to be empty costs one more.
func RollPages(members, nested int) int { return max(1, ceil(members, MembersPage)) + nested }

// FewIsCheaper reports whether asking for n people by name, in g groups, takes no more requests than taking rolls of
// that many pages in all.
func FewIsCheaper(n, g, pages int) bool { return LookUps(n, g) <= pages }

func ceil(n, size int) int { return (n + size - 1) / size }
