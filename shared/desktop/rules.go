package desktop

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Complaint is one thing in a request that WorkSpaces is known not to take: which field, which value, and what is
// expected instead. The same rules are used where a profile is read and right before a call, so that what was
// accepted from an administrator is never refused for a person.
type Complaint struct {
	Field    string // as an AP profile names it ("encryption.key", "tags.team"); "user name" is not the profile's
	Value    any    // nil where it is missing
	Expected string // goes on after "expected"
	Personal bool   // about the person, not the profile
}

// The patterns of ids, and what a KMS key is named by. Whether WorkSpaces takes an alias is not documented.
// https://docs.aws.amazon.com/workspaces/latest/api/API_WorkspaceRequest.html
var (
	directoryPattern = regexp.MustCompile(`^(d-[0-9a-f]{8,63}|wsd-[0-9a-z]{8,63})$`)
	bundlePattern    = regexp.MustCompile(`^wsb-[0-9a-z]{8,63}$`)
	keyPattern       = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+|alias/.+)$`)
	tagPattern       = regexp.MustCompile(`^[\p{L}\p{N} +\-=._:/@]*$`)
)

// MostUserName is how many characters a user name has at most.
// https://docs.aws.amazon.com/workspaces/latest/api/API_WorkspaceRequest.html
const MostUserName = 63

// withoutUser is the user name that is reserved for WorkSpaces without a user.
const withoutUser = "[UNDEFINED]"

// A WorkSpace takes 50 tags, four of which are rollcall's own. Lengths are in characters.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/tag-workspaces-resources.html
const (
	mostTags     = 50 - 4
	mostTagKey   = 127
	mostTagValue = 255
)

// volumePairs are the sizes (root, user; GiB) that go together, besides 175–2000 with 100–2000. The last one is of
// the Graphics bundles; which pairs go with which bundle is left to the service.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/modify-workspaces.html
var volumePairs = [][2]int{{80, 10}, {80, 50}, {80, 100}, {100, 100}}

// Complaints are what WorkSpaces does not take in what a profile asks for, at most one for each field. None: every
// documented limit is kept, which is not to say that the bundle or the key exists.
func (s Spec) Complaints() []Complaint {
	return slices.Concat(s.aboutBundle(), s.aboutMode(), s.aboutVolumes(), s.aboutKey(), s.aboutTags())
}

// Complaints are what WorkSpaces does not take in a request, at most one for each field. The profile's tag, which
// is rollcall's own, may be among the tags.
func (r Request) Complaints() []Complaint {
	spec := r.Spec
	spec.Tags = maps.Clone(r.Tags)
	delete(spec.Tags, TagProfile)
	own := r.Owner.Tags()
	if id, ok := r.Tags[TagProfile]; ok {
		own[TagProfile] = id
	}
	all := slices.Concat(UserNameComplaints(r.UserName), DirectoryComplaints(r.Directory), spec.Complaints())
	for _, key := range slices.Sorted(maps.Keys(own)) {
		all = append(all, valueComplaints(key, own[key])...)
	}
	return all
}

// UserNameComplaints is what is wrong with a user name: at most one complaint, a Personal one. WorkSpaces takes 1 to
// MostUserName characters, whatever their number of bytes.
func UserNameComplaints(name string) []Complaint {
	c := Complaint{Field: "user name", Value: name, Personal: true}
	n := utf8.RuneCountInString(name)
	switch {
	case name == "":
		c.Value = nil
		c.Expected = fmt.Sprintf("1 to %d characters", MostUserName)
	case n > MostUserName:
		c.Expected = fmt.Sprintf("1 to %d characters, this has %d", MostUserName, n)
	case name == withoutUser:
		c.Expected = "a user's name; this one is reserved for WorkSpaces without a user"
	default:
		return nil
	}
	return []Complaint{c}
}

// DirectoryComplaints is what is wrong with a directory's id: at most one complaint.
func DirectoryComplaints(id string) []Complaint {
	return idComplaints("directory", id, directoryPattern, "the id of a registered directory: d-… or wsd-…")
}

func (s Spec) aboutBundle() []Complaint {
	return idComplaints("bundle", s.Bundle, bundlePattern, "a bundle id such as wsb-0123456789 (WorkSpaces console, Bundles)")
}

func idComplaints(field, id string, pattern *regexp.Regexp, expected string) []Complaint {
	switch {
	case id == "":
		return []Complaint{{Field: field, Expected: expected}}
	case !pattern.MatchString(id):
		return []Complaint{{Field: field, Value: id, Expected: expected}}
	}
	return nil
}

func (s Spec) aboutMode() (all []Complaint) {
	switch s.RunningMode {
	case AutoStop:
		if s.AutoStopMinutes < 60 || s.AutoStopMinutes%60 != 0 {
			all = append(all, Complaint{Field: "autoStopMinutes", Value: s.AutoStopMinutes, Expected: "a multiple of 60"})
		}
	case AlwaysOn:
		if s.AutoStopMinutes != 0 {
			all = append(all, Complaint{
				Field: "autoStopMinutes", Value: s.AutoStopMinutes,
				Expected: "none with runningMode ALWAYS_ON (WorkSpaces refuses it)",
			})
		}
	default:
		all = append(all, Complaint{Field: "runningMode", Value: string(s.RunningMode), Expected: "AUTO_STOP or ALWAYS_ON"})
	}
	if s.Protocol != "" && s.Protocol != "WSP" && s.Protocol != "PCOIP" {
		all = append(all, Complaint{Field: "protocol", Value: s.Protocol, Expected: "WSP (which the console calls DCV) or PCOIP"})
	}
	return all
}

// aboutVolumes wants both sizes or neither: what the bundle's own would be beside a given one is not known here.
func (s Spec) aboutVolumes() []Complaint {
	large := s.RootGB >= 175 && s.RootGB <= 2000 && s.UserGB >= 100 && s.UserGB <= 2000
	pair := [2]int{s.RootGB, s.UserGB}
	if pair == [2]int{} || large || slices.Contains(volumePairs, pair) {
		return nil
	}
	return []Complaint{{
		Field: "rootGB, userGB", Value: fmt.Sprintf("%d, %d", s.RootGB, s.UserGB),
		Expected: "80 with 10, 50 or 100, or 100 with 100 (Graphics bundles), or 175–2000 with 100–2000, or neither (the bundle's sizes)",
	}}
}

func (s Spec) aboutKey() []Complaint {
	switch {
	case s.Key == "" && (s.EncryptRoot || s.EncryptUser):
		return []Complaint{{Field: "encryption.key", Expected: "the ARN of a symmetric KMS key in the profile's Region"}}
	case s.Key != "" && !keyPattern.MatchString(s.Key):
		return []Complaint{{Field: "encryption.key", Value: s.Key, Expected: "the ARN of a symmetric KMS key, or alias/…"}}
	}
	return nil
}

func (s Spec) aboutTags() (all []Complaint) {
	if len(s.Tags) > mostTags {
		all = append(all, Complaint{
			Field: "tags", Value: fmt.Sprintf("%d tags", len(s.Tags)),
			Expected: fmt.Sprintf("at most %d (WorkSpaces takes 50, rollcall needs four)", mostTags),
		})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		value := s.Tags[key]
		lower := strings.ToLower(key)
		switch {
		case key == "" || !fits(key, mostTagKey):
			all = append(all, Complaint{
				Field: "tags." + key, Value: value,
				Expected: "a name of 1 to 127 letters, digits, spaces and + - = . _ : / @, with no space at either end",
			})
		case strings.HasPrefix(lower, "aws:") || strings.HasPrefix(lower, "rollcall:"):
			all = append(all, Complaint{
				Field: "tags." + key, Value: value,
				Expected: "a name that does not begin with aws: or rollcall: (those are reserved)",
			})
		default:
			all = append(all, valueComplaints(key, value)...)
		}
	}
	return all
}

func valueComplaints(key, value string) []Complaint {
	if fits(value, mostTagValue) {
		return nil
	}
	return []Complaint{{
		Field: "tags." + key, Value: value,
		Expected: "a value of at most 255 letters, digits, spaces and + - = . _ : / @, with no space at either end",
	}}
}

// fits reports whether a part of a tag has at most so many characters, all of them allowed.
func fits(part string, most int) bool {
	return utf8.RuneCountInString(part) <= most && part == strings.TrimSpace(part) && tagPattern.MatchString(part)
}
