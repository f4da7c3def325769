package workspaces

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// user is somebody in a directory. Who it is, is the SID; the name may change, or come to be another's.
type user struct {
	name string // as the directory writes it
	sid  string
}

// Person is a user of a directory, for a report.
type Person struct{ Name, SID string }

// Undefined is the user name of user-decoupled WorkSpaces (WorkSpaces Core).
const Undefined = "[UNDEFINED]"

// AddUsers adds people to a directory, each with a new SID; in a wsd- directory the name is the Entra UPN. The
// error names a directory that is not there or a name that is taken, and nobody was added.
func (l *Lane) AddUsers(directory string, names ...string) (err error) {
	l.with(func(time.Time) {
		dir := l.directory(directory)
		if dir == nil {
			err = fmt.Errorf("adding users to directory %s: not in %s", directory, l.ID)
			return
		}
		for _, name := range names {
			if dir.users[strings.ToLower(name)] != nil || name == "" {
				err = fmt.Errorf("adding user %q to directory %s: the name is empty or taken", name, directory)
				return
			}
		}
		for _, name := range names {
			dir.users[strings.ToLower(name)] = &user{name: name, sid: l.newSID(dir)}
		}
	})
	return err
}

// newSID is the next SID of a directory's domain; SIDs are never used twice.
func (l *Lane) newSID(dir *directory) string {
	dir.rid++
	domain := l.number("domain", dir.ID)
	return fmt.Sprintf("S-1-5-21-%d-%d-%d-%d", domain>>32, domain&0xffffffff, l.number("forest", dir.ID)>>33, dir.rid)
}

// RenameUser gives a person another name. The SID stays, and so does the name on their WorkSpace.
func (l *Lane) RenameUser(directory, from, to string) (err error) {
	l.with(func(time.Time) {
		dir, u := l.user(directory, from)
		if u == nil {
			err = fmt.Errorf("renaming user %q: not in directory %s", from, directory)
			return
		}
		if other := dir.users[strings.ToLower(to)]; other != nil && other != u {
			err = fmt.Errorf("renaming user %q: the name %q is taken in directory %s", from, to, directory)
			return
		}
		delete(dir.users, strings.ToLower(from))
		u.name = to
		dir.users[strings.ToLower(to)] = u
	})
	return err
}

// RemoveUser deletes a person from a directory; a WorkSpace they have stays. Added again, the name has a new SID.
func (l *Lane) RemoveUser(directory, name string) (err error) {
	l.with(func(time.Time) {
		dir, u := l.user(directory, name)
		if u == nil {
			err = fmt.Errorf("removing user %q: not in directory %s", name, directory)
			return
		}
		delete(dir.users, strings.ToLower(name))
	})
	return err
}

// People are the users of a directory, by name; nil where there is no such directory.
func (l *Lane) People(directory string) []Person {
	var people []Person
	l.with(func(time.Time) {
		dir := l.directory(directory)
		if dir == nil {
			return
		}
		for _, u := range dir.users {
			people = append(people, Person{u.name, u.sid})
		}
	})
	slices.SortFunc(people, func(a, b Person) int { return cmp.Compare(a.Name, b.Name) })
	return people
}

// user is a person of a directory by name, in whatever case; nil where there is none.
func (l *Lane) user(id, name string) (*directory, *user) {
	dir := l.directory(id)
	if dir == nil {
		return nil, nil
	}
	return dir, dir.users[strings.ToLower(name)]
}

// nameKey is the key of a name, or of a SID, in a directory.
func nameKey(directory, name string) string { return directory + "/" + strings.ToLower(name) }
