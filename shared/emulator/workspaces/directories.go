package workspaces

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The registration states of a directory that decide something here; the others pass through.
const (
	registered   = "REGISTERED"
	deregistered = "DEREGISTERED"
)

// Directory is a directory as WorkSpaces knows it.
type Directory struct {
	ID   string // d-… (hexadecimal) or wsd-…
	Name string // corp.example.com
	// Alias is the host part of the sign-in address. Empty: the id.
	Alias string
	// Type is SIMPLE_AD, AD_CONNECTOR (also when empty), CUSTOMER_MANAGED or AWS_IAM_IDENTITY_CENTER.
	Type string
	// State is REGISTERED (also when empty), REGISTERING, DEREGISTERING, ERROR, or DEREGISTERED, which is not
	// described at all.
	State string
	// RegistrationCode is what people type into their client, 1 to 20 characters. Empty: one is made up.
	RegistrationCode string
	Subnets          []string // 1 or 2 ids
	// Identity is the UserIdentityType. Empty: what goes with the type.
	Identity string
	Tenancy  string // SHARED or DEDICATED (needed to bring licences); empty: as the type needs
	// Workspaces is PERSONAL (also when empty) or POOLS.
	Workspaces string
	// EntraTenant is set for an Entra-joined directory.
	EntraTenant string
	Tags        map[string]string
	// Error is the ErrorMessage of a directory in state ERROR.
	Error string
}

// directory is a Directory with the people in it.
type directory struct {
	Directory
	order int
	plan  int
	users map[string]*user // by lower-cased name
	rid   int
}

// AddDirectory adds a directory, or replaces what is known of one and keeps its people. The error says what is
// wrong with it: the id, the type, the subnets (1 or 2, added before).
func (l *Lane) AddDirectory(d Directory) (err error) {
	d.Type = cmp.Or(d.Type, "AD_CONNECTOR")
	d.State = cmp.Or(d.State, registered)
	d.Workspaces = cmp.Or(d.Workspaces, "PERSONAL")
	d.Alias = cmp.Or(d.Alias, d.ID)
	d.Identity = cmp.Or(d.Identity, identityOf(d.Type))
	d.Tenancy = cmp.Or(d.Tenancy, tenancyOf(d))
	l.with(func(now time.Time) {
		if err = l.checkDirectory(d); err != nil {
			return
		}
		if d.RegistrationCode == "" {
			d.RegistrationCode = "wsfra+" + strings.ToUpper(l.letters("abcdefghijklmnopqrstuvwxyz23456789", 6, "code", d.ID))
		}
		if old := l.directory(d.ID); old != nil {
			old.Directory = d
			return
		}
		dir := &directory{Directory: d, order: len(l.directories) + 1, users: map[string]*user{}, rid: 1102}
		l.directories = append(l.directories, dir)
		l.watchEmpty(dir, now)
	})
	return err
}

func identityOf(kind string) string {
	switch kind {
	case "AWS_IAM_IDENTITY_CENTER", "CUSTOMER_MANAGED":
		return kind
	default:
		return "AWS_DIRECTORY_SERVICE"
	}
}

func tenancyOf(d Directory) string {
	if d.EntraTenant != "" {
		return "DEDICATED" // an Entra-joined directory takes only WorkSpaces with one's own licences
	}
	return "SHARED"
}

func (l *Lane) checkDirectory(d Directory) error {
	if !regexp.MustCompile(directoryPattern).MatchString(d.ID) || len(d.ID) > 65 {
		return fmt.Errorf("adding directory %q: an id is d-[0-9a-f]{8,63} or wsd-[0-9a-z]{8,62}", d.ID)
	}
	types := []string{"SIMPLE_AD", "AD_CONNECTOR", "CUSTOMER_MANAGED", "AWS_IAM_IDENTITY_CENTER"}
	if !slices.Contains(types, d.Type) {
		return fmt.Errorf("adding directory %s: type %q is none of %v", d.ID, d.Type, types)
	}
	if len(d.RegistrationCode) > 20 {
		return fmt.Errorf("adding directory %s: a registration code has at most 20 characters", d.ID)
	}
	if len(d.Subnets) < 1 || len(d.Subnets) > 2 {
		return fmt.Errorf("adding directory %s: it has %d subnets, not 1 or 2", d.ID, len(d.Subnets))
	}
	for _, id := range d.Subnets {
		if l.subnet(id) == nil {
			return fmt.Errorf("adding directory %s: subnet %s is not in %s", d.ID, id, l.ID)
		}
	}
	return nil
}

// SetDirectoryState sets a directory's registration state: REGISTERED, REGISTERING, DEREGISTERING, DEREGISTERED, ERROR.
func (l *Lane) SetDirectoryState(id, state string) (err error) {
	l.with(func(now time.Time) {
		dir := l.directory(id)
		if dir == nil {
			err = fmt.Errorf("setting the state of directory %s: not in %s", id, l.ID)
			return
		}
		if dir.State != registered && state == registered {
			l.watchEmpty(dir, now)
		}
		dir.State = state
	})
	return err
}

// directory is the directory of that id, or nil.
func (l *Lane) directory(id string) *directory {
	i := slices.IndexFunc(l.directories, func(d *directory) bool { return d.ID == id })
	if i < 0 {
		return nil
	}
	return l.directories[i]
}

// Bundle is a WorkSpaces bundle.
type Bundle struct {
	ID   string // wsb-…
	Name string
	// Owner is "AMAZON" for AWS's own; empty is this account.
	Owner       string
	Description string
	Compute     string // VALUE, STANDARD (also when empty), PERFORMANCE, …
	RootGB      int    // empty: 80
	UserGB      int    // empty: 50
	Protocol    string // WSP (also when empty) or PCOIP
	OS          string // OperatingSystemName of its WorkSpaces; empty: WINDOWS_SERVER_2022
	State       string // AVAILABLE (also when empty), PENDING, ERROR
	Tags        map[string]string

	order int
	made  time.Time
}

// AddBundle adds a bundle, or replaces the one of that id. The error says what is wrong with it.
func (l *Lane) AddBundle(b Bundle) error {
	if !regexp.MustCompile(bundlePattern).MatchString(b.ID) {
		return fmt.Errorf("adding bundle %q: an id is wsb-[0-9a-z]{8,63}", b.ID)
	}
	b.Owner = cmp.Or(b.Owner, l.ID.Account)
	b.Name = cmp.Or(b.Name, b.ID)
	b.Compute = cmp.Or(b.Compute, "STANDARD")
	if !slices.Contains(computeTypes(), b.Compute) {
		return fmt.Errorf("adding bundle %s: no compute type %q", b.ID, b.Compute)
	}
	b.RootGB, b.UserGB = cmp.Or(b.RootGB, 80), cmp.Or(b.UserGB, 50)
	b.Protocol = cmp.Or(b.Protocol, "WSP")
	b.OS = cmp.Or(b.OS, "WINDOWS_SERVER_2022")
	b.State = cmp.Or(b.State, "AVAILABLE")
	l.with(func(now time.Time) {
		b.made = now
		if old := l.bundle(b.ID); old != nil {
			b.order = old.order
			*old = b
			return
		}
		b.order = len(l.bundles) + 1
		l.bundles = append(l.bundles, &b)
	})
	return nil
}

// bundle is the bundle of that id, or nil.
func (l *Lane) bundle(id string) *Bundle {
	i := slices.IndexFunc(l.bundles, func(b *Bundle) bool { return b.ID == id })
	if i < 0 {
		return nil
	}
	return l.bundles[i]
}
