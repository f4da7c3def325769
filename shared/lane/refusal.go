package lane

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// What the service takes.
// https://docs.aws.amazon.com/workspaces/latest/api/API_WorkspaceRequest.html
var (
	directoryPattern = regexp.MustCompile(`^(d-[0-9a-f]{8,63}|wsd-[0-9a-z]{8,63})$`)
	bundlePattern    = regexp.MustCompile(`^wsb-[0-9a-z]{8,63}$`)
	tagPattern       = regexp.MustCompile(`^[\p{L}\p{N} +\-=._:/@]*$`)
)

const (
	mostUserName = 63
	mostTags     = 50 // on a WorkSpace: https://docs.aws.amazon.com/workspaces/latest/adminguide/tag-workspaces-resources.html
	mostTagKey   = 127
	mostTagValue = 255
	undecoupled  = "[UNDEFINED]" // reserved for WorkSpaces without a user
)

// volumePairs are the sizes (root, user; GiB) that go together, besides 175–2000 with 100–2000. The last one is of
// the Graphics bundles.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/modify-workspaces.html
var volumePairs = [][2]int{{80, 10}, {80, 50}, {80, 100}, {100, 100}}

// refusal says what in a request cannot be valid, before the service is asked: one bad item would sink the call of
// 24 others. The error names the field and its value; it is Misconfigured where the profile is wrong, and Rejected
// where the person's user name is. Nil for a request that may be sent.
func refusal(q desktop.Request, directories []string) error {
	checks := []func() error{
		func() error { return userNameRefusal(q.UserName) },
		func() error { return placeRefusal(q, directories) },
		func() error { return modeRefusal(q.Spec) },
		func() error { return volumeRefusal(q.RootGB, q.UserGB) },
		func() error { return keyRefusal(q.Spec) },
		func() error { return tagRefusal(q) },
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func wrong(kind fault.Kind, field string, value any, expected string) error {
	return fault.New(kind, fmt.Sprintf("%s %q cannot be sent to WorkSpaces: expected %s", field, fmt.Sprint(value), expected))
}

func userNameRefusal(name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > mostUserName || name == undecoupled {
		return wrong(fault.Rejected, "user name", name, fmt.Sprintf("1 to %d characters, this has %d", mostUserName, n))
	}
	return nil
}

func placeRefusal(q desktop.Request, directories []string) error {
	if !bundlePattern.MatchString(q.Bundle) {
		return wrong(fault.Misconfigured, "bundle", q.Bundle, "a bundle id, wsb-…")
	}
	if q.Directory != "" { // chosen before
		directories = []string{q.Directory}
	}
	if len(directories) == 0 {
		return wrong(fault.Misconfigured, "directory", "", "at least one")
	}
	for _, id := range directories {
		if !directoryPattern.MatchString(id) {
			return wrong(fault.Misconfigured, "directory", id, "a directory id, d-… or wsd-…")
		}
	}
	return nil
}

func modeRefusal(s desktop.Spec) error {
	switch {
	case s.RunningMode != desktop.AutoStop && s.RunningMode != desktop.AlwaysOn:
		return wrong(fault.Misconfigured, "runningMode", s.RunningMode, "AUTO_STOP or ALWAYS_ON")
	case s.RunningMode == desktop.AlwaysOn && s.AutoStopMinutes != 0:
		return wrong(fault.Misconfigured, "autoStopMinutes", s.AutoStopMinutes, "none with ALWAYS_ON")
	case s.AutoStopMinutes < 0 || s.AutoStopMinutes%60 != 0:
		return wrong(fault.Misconfigured, "autoStopMinutes", s.AutoStopMinutes, "a multiple of 60")
	case s.Protocol != "" && s.Protocol != "WSP" && s.Protocol != "PCOIP":
		return wrong(fault.Misconfigured, "protocol", s.Protocol, "WSP or PCOIP")
	}
	return nil
}

// volumeRefusal takes a size of zero for the bundle's own; one without the other cannot be judged here.
func volumeRefusal(root, user int) error {
	fits := func(r, u int) bool {
		return slices.Contains(volumePairs, [2]int{r, u}) || (r >= 175 && r <= 2000 && u >= 100 && u <= 2000)
	}
	switch {
	case root < 0 || user < 0:
	case root == 0 && user == 0, fits(root, user):
		return nil
	case root == 0 && (fits(80, user) || fits(175, user)), user == 0 && fits(root, 100):
		return nil
	}
	return wrong(fault.Misconfigured, "rootGB, userGB", fmt.Sprintf("%d, %d", root, user),
		"80 with 10, 50 or 100; 100 with 100; 175–2000 with 100–2000; or none")
}

func keyRefusal(s desktop.Spec) error {
	if (s.EncryptRoot || s.EncryptUser) && s.Key == "" {
		return wrong(fault.Misconfigured, "encryption key", "", "a KMS key, because encryption is asked for")
	}
	return nil
}

// tagRefusal checks the profile's tags with the four of ours: they count too.
func tagRefusal(q desktop.Request) error {
	all := maps.Clone(q.Tags)
	if all == nil {
		all = map[string]string{}
	}
	owned := q.Owner.Tags()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		lower := strings.ToLower(key)
		if strings.HasPrefix(lower, "aws:") || (strings.HasPrefix(lower, "rollcall:") && key != desktop.TagProfile) {
			return wrong(fault.Misconfigured, "tag", key, "a key that does not begin with aws: or rollcall:")
		}
	}
	maps.Copy(all, owned)
	if len(all) > mostTags {
		return wrong(fault.Misconfigured, "number of tags", len(all), fmt.Sprintf("at most %d with rollcall's own", mostTags))
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := all[key]
		switch {
		case key == "" || utf8.RuneCountInString(key) > mostTagKey || key != strings.TrimSpace(key) || !tagPattern.MatchString(key):
			return wrong(fault.Misconfigured, "tag", key, "a key of 1 to 127 letters, digits, spaces and + - = . _ : / @")
		case utf8.RuneCountInString(value) > mostTagValue || value != strings.TrimSpace(value) || !tagPattern.MatchString(value):
			return wrong(fault.Misconfigured, "value of tag "+key, value, "at most 255 letters, digits, spaces and + - = . _ : / @")
		}
	}
	return nil
}
