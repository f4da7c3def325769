package entra

// What an answer costs, in requests. The cheaper way to the same truth is chosen by counting them.

// LookUps is how many requests it takes to read n people (People) and their standing in g groups (Standings).
func LookUps(n, g int) int {
	if n <= 0 {
		return 0
	}
	return ceil(ceil(n, mostIn), mostBatch) + ceil(n*ceil(g, mostGroupsChecked)+g, mostBatch)
}

// RollPages is how many requests it takes to take the roll of a group with that many members and that many groups
// nested in it; a group that turns out to be empty costs one more.
func RollPages(members, nested int) int { return max(1, ceil(members, pageSize)) + nested }

// FewIsCheaper reports whether asking for n people by name, in g groups, takes no more requests than taking the rolls
// of groups with that many members and nested groups in all.
func FewIsCheaper(n, g, members, nested int) bool { return LookUps(n, g) <= RollPages(members, nested) }

func ceil(n, size int) int { return (n + size - 1) / size }
