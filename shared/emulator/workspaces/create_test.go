package workspaces

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
)

type change = func(*types.WorkspaceRequest)

func in(directory string) change {
	return func(r *types.WorkspaceRequest) { r.DirectoryId = aws.String(directory) }
}

func from(bundle string) change {
	return func(r *types.WorkspaceRequest) { r.BundleId = aws.String(bundle) }
}

func sizes(root, user int32) change {
	return func(r *types.WorkspaceRequest) {
		r.WorkspaceProperties.RootVolumeSizeGib, r.WorkspaceProperties.UserVolumeSizeGib = aws.Int32(root), aws.Int32(user)
	}
}

func running(mode types.RunningMode, minutes int32) change {
	return func(r *types.WorkspaceRequest) {
		r.WorkspaceProperties.RunningMode = mode
		if minutes != 0 {
			r.WorkspaceProperties.RunningModeAutoStopTimeoutInMinutes = aws.Int32(minutes)
		}
	}
}

func encrypted(key string) change {
	return func(r *types.WorkspaceRequest) {
		r.UserVolumeEncryptionEnabled, r.RootVolumeEncryptionEnabled = aws.Bool(true), aws.Bool(true)
		if key != "" {
			r.VolumeEncryptionKey = aws.String(key)
		}
	}
}

func tagged(key, value string) change {
	return func(r *types.WorkspaceRequest) {
		r.Tags = append(r.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
}

const goodKey, badKey = "arn:aws:kms:eu-central-1:111122223333:key/good", "arn:aws:kms:eu-central-1:111122223333:key/bad"

// Section 9.4 and 1.3: what fails an item by itself, in an answer that is 200.
func TestCreateFailsItems(t *testing.T) {
	exists := func(w *world) { w.make("ada") }
	key := func(w *world) { w.lane.AddKey(goodKey, true); w.lane.AddKey(badKey, false) }
	cases := []struct {
		name    string
		given   func(*world)
		item    types.WorkspaceRequest
		code    string // empty: accepted
		message string
	}{
		{"a user who is there", nil, wish("ada"), "", ""},
		{"a user in another case", nil, wish("ADA"), "", ""},
		{"an Entra user by UPN", nil, wish("Ada@Example.com", in(entra)), "", ""},
		{"a duplicate", exists, wish("ada"), existsCode, existsMessage},
		{"a duplicate in another case", exists, wish("Ada"), existsCode, existsMessage},
		{"a duplicate of one made by hand", func(w *world) { w.put(WorkSpace{Directory: corp, User: "ada"}) }, wish("ada"), existsCode, existsMessage},
		{"the same person in another directory", exists, wish("ada@example.com", in(entra)), "", ""},
		{"a user who is not there", nil, wish("nobody"), "ResourceNotFound.User", ""},
		{"a user who was removed", func(w *world) { w.must(w.lane.RemoveUser(corp, "ada")) }, wish("ada"), "ResourceNotFound.User", ""},
		{"a user who came later", func(w *world) { w.must(w.lane.AddUsers(corp, "late")) }, wish("late"), "", ""},
		{"a sAMAccountName where a UPN is wanted", nil, wish("ada", in(entra)), "ResourceNotFound.User", ""},
		{"a directory that is not there", nil, wish("ada", in("d-9067000000")), directoryCode, directoryMessage},
		{"a directory that is not registered", func(w *world) { w.must(w.lane.SetDirectoryState(corp, "REGISTERING")) }, wish("ada"), directoryCode, directoryMessage},
		{"a bundle that is not there", nil, wish("ada", from("wsb-nothing00")), "ResourceNotFound.Bundle", ""},
		{"AWS's own bundle", nil, wish("ada", from(value)), "", ""},
		{"a key that can be used", key, wish("ada", encrypted(goodKey)), "", ""},
		{"a key that cannot be used", key, wish("ada", encrypted(badKey)), "InvalidKey.WorkSpace", keyMessage},
		{"a key that is not there", nil, wish("ada", encrypted(goodKey)), "InvalidKey.WorkSpace", keyMessage},
		{"encryption without a key", nil, wish("ada", encrypted("")), "", ""},
		{"encryption without a key, by the switch", func(w *world) { w.lane.Set(func(k *Knobs) { k.EncryptionNeedsKey = true }) }, wish("ada", encrypted("")), "InvalidKey.WorkSpace", keyMessage},
		{"a key by its alias", func(w *world) { w.lane.AddKey("alias/desk", true) }, wish("ada", encrypted("alias/desk")), "", ""},
		{"a key by its alias, by the switch", func(w *world) {
			w.lane.AddKey("alias/desk", true)
			w.lane.Set(func(k *Knobs) { k.KeyAliasRefused = true })
		}, wish("ada", encrypted("alias/desk")), "InvalidKey.WorkSpace", keyMessage},
		{"a time with ALWAYS_ON", nil, wish("ada", running(types.RunningModeAlwaysOn, 60)), timeoutCode, timeoutMessage},
		{"a time with the default, ALWAYS_ON", nil, wish("ada", running("", 60)), timeoutCode, timeoutMessage},
		{"a time with the default, by the switch", func(w *world) { w.lane.Set(func(k *Knobs) { k.DefaultRunningMode = desktop.AutoStop }) }, wish("ada", running("", 60)), "", ""},
		{"a time with AUTO_STOP", nil, wish("ada", running(types.RunningModeAutoStop, 120)), "", ""},
		{"a time with MANUAL", func(w *world) { w.lane.Set(func(k *Knobs) { k.ManualAllowed = true }) }, wish("ada", running(types.RunningModeManual, 60)), manualCode, ""},
		{"a compute type that does not fit the bundle", nil, wish("ada", func(r *types.WorkspaceRequest) { r.WorkspaceProperties.ComputeTypeName = types.ComputeValue }), "", ""},
		{"a refusal that was injected", func(w *world) { w.lane.FailItems("ada", 1, Failure{"Odd.Code", "odd"}) }, wish("ada"), "Odd.Code", "odd"},
		{"a refusal that was injected for another", func(w *world) { w.lane.FailItems("grace", 1, Failure{"Odd.Code", "odd"}) }, wish("ada"), "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.given != nil {
				c.given(w)
			}
			before := len(w.lane.List())
			out := w.create(c.item)
			if out.FailedRequests == nil || out.PendingRequests == nil {
				t.Error("one of the two lists was not sent")
			}
			if c.code == "" {
				want(t, "answer", codes(out), "pending "+*c.item.UserName)
				want(t, "more of them", len(w.lane.List())-before, 1)
				return
			}
			want(t, "answer", codes(out), "failed "+*c.item.UserName+": "+c.code)
			want(t, "more of them", len(w.lane.List())-before, 0)
			if got := aws.ToString(out.FailedRequests[0].ErrorMessage); c.message != "" && got != c.message {
				t.Errorf("message %q, want %q", got, c.message)
			}
			want(t, "echo of the directory", *out.FailedRequests[0].WorkspaceRequest.DirectoryId, *c.item.DirectoryId)
		})
	}
}

func (w *world) put(ws WorkSpace) string {
	w.Helper()
	if ws.Bundle == "" {
		ws.Bundle = standard
	}
	id, err := w.lane.Put(ws)
	w.must(err)
	return id
}

// Section 9.3 and 1.2: what fails the whole call, so that nothing is made, also for the good item beside it.
func TestCreateFailsWholeCalls(t *testing.T) {
	cases := []struct {
		name    string
		item    types.WorkspaceRequest
		code    string
		message string
	}{
		{
			"volumes of GRAPHICS", wish("ada", from(graphics), sizes(80, 50)), invalidValues,
			"Graphics: Invalid root and user volume size selected. Root and user volume size (GB) must be (100+|100+).",
		},
		{"volumes that do not go together", wish("ada", sizes(80, 60)), invalidValues, "Standard: Invalid root and user volume size selected."},
		{"a volume too large", wish("ada", sizes(2001, 100)), invalidValues, "(175+|100+)"},
		{"one volume said, which does not go with the bundle's other", wish("ada", func(r *types.WorkspaceRequest) {
			r.WorkspaceProperties.RootVolumeSizeGib = aws.Int32(175)
		}), invalidValues, "Invalid root and user volume size"},
		{"a time that is no multiple of 60", wish("ada", running(types.RunningModeAutoStop, 90)), invalidValues, "multiple of 60"},
		{"MANUAL", wish("ada", running(types.RunningModeManual, 0)), invalidValues, "MANUAL"},
		{"a reserved tag", wish("ada", tagged("aws:owner", "x")), invalidValues, "reserved"},
		{"a tag with a space at its end", wish("ada", tagged("owner ", "x")), invalidValues, "no space at an end"},
		{"a tag with a bad character", wish("ada", tagged("owner", "a&b")), invalidValues, "letters"},
		{"a user-decoupled one without a name", wish(Undefined), invalidValues, "WorkspaceName is required"},
		{"a name for a user's one", wish("ada", func(r *types.WorkspaceRequest) { r.WorkspaceName = aws.String("desk-1") }), invalidValues, "not applicable"},
		{"a directory id that is none", wish("ada", in("d-XYZ")), validation, "'workspaces.2.member.directoryId'"},
		{"a bundle id that is none", wish("ada", from("bundle")), validation, "'workspaces.2.member.bundleId'"},
		{"a user name of 64 characters", wish(strings.Repeat("a", 64)), validation, "less than or equal to 63"},
		{"an empty user name", wish(""), validation, "greater than or equal to 1"},
		{"a compute type that is none", wish("ada", func(r *types.WorkspaceRequest) { r.WorkspaceProperties.ComputeTypeName = "HUGE" }), validation, "enum value set"},
		{"a tag key of 128 characters", wish("ada", tagged(strings.Repeat("k", 128), "x")), validation, "less than or equal to 127"},
		{"a tag value of 256 characters", wish("ada", tagged("k", strings.Repeat("v", 256))), validation, "less than or equal to 255"},
		{"DCV instead of WSP", wish("ada", func(r *types.WorkspaceRequest) { r.WorkspaceProperties.Protocols = []types.Protocol{"DCV"} }), validation, "enum value set: [PCOIP, WSP]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: []types.WorkspaceRequest{wish("grace"), c.item}})
			w.wantError(err, c.code, c.message)
			want(t, "WorkSpaces", len(w.lane.List()), 0)
		})
	}
}

func TestCreateTakesOneToTwentyFive(t *testing.T) {
	for name, c := range map[string]struct {
		n  int
		ok bool
	}{"none": {0, false}, "one": {1, true}, "twenty-five": {25, true}, "twenty-six": {26, false}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			items := []types.WorkspaceRequest{}
			for i := range c.n {
				user := "user" + decimal(i)
				w.must(w.lane.AddUsers(corp, user))
				items = append(items, wish(user))
			}
			_, err := w.ws.CreateWorkspaces(w.ctx, &sdk.CreateWorkspacesInput{Workspaces: items})
			if !c.ok {
				w.wantError(err, validation, "'workspaces' failed to satisfy constraint: Member must have length")
				want(t, "WorkSpaces", len(w.lane.List()), 0)
				return
			}
			w.must(err)
			want(t, "WorkSpaces", len(w.lane.List()), c.n)
		})
	}
}

func TestVolumeSizes(t *testing.T) {
	for _, c := range []struct {
		compute    string
		root, user int
		ok         bool
	}{
		{"VALUE", 80, 10, true},
		{"STANDARD", 80, 50, true},
		{"POWERPRO", 80, 100, true},
		{"STANDARD", 175, 100, true},
		{"STANDARD", 2000, 2000, true},
		{"STANDARD", 80, 20, false},
		{"STANDARD", 100, 100, false},
		{"STANDARD", 175, 50, false},
		{"STANDARD", 2001, 100, false},
		{"GENERALPURPOSE_4XLARGE", 175, 100, true},
		{"GENERALPURPOSE_8XLARGE", 80, 50, false},
		{"GRAPHICS_G4DN", 100, 100, true},
		{"GRAPHICSPRO_G4DN", 80, 100, false},
		{"GRAPHICS", 100, 50, false},
	} {
		want(t, c.compute+" "+decimal(c.root)+"/"+decimal(c.user), badSizes(c.compute, c.root, c.user) == "", c.ok)
	}
}

// One bad item beside 24 good ones: which of the two happens is unknown.
func TestCreateWithOneBadVolume(t *testing.T) {
	w := newWorld(t, func(k *Knobs) { k.BadItemFailsAlone = true })
	out := w.create(wish("ada", sizes(80, 60)), wish("grace"))
	want(t, "answer", codes(out), "pending grace; failed ada: InvalidParameterValuesException")
}

func TestCreateAnswersAreMatchedByName(t *testing.T) {
	w := newWorld(t)
	w.make("ada")
	out := w.create(wish("ada"), wish("grace"), wish("nobody"), wish("Grace"))
	want(t, "answer", codes(out), "pending grace; failed ada: ResourceExists.WorkSpace; failed nobody: ResourceNotFound.User; failed Grace: ResourceExists.WorkSpace")
}

// Two items for one person in one call: which of the two happens is unknown.
func TestTwins(t *testing.T) {
	w := newWorld(t, func(k *Knobs) { k.TwinsAllowed = true })
	w.must(w.lane.SetQuota(WorkSpacesQuota, 2))
	want(t, "both at once", codes(w.create(wish("ada"), wish("Ada"))), "pending ada; pending Ada")
	want(t, "a third later", codes(w.create(wish("ada"))), "failed ada: ResourceExists.WorkSpace")
}

func TestCreatedWorkspaceIsIncomplete(t *testing.T) {
	w := newWorld(t)
	w.lane.AddKey(goodKey, true)
	p := w.create(wish("ada", encrypted(goodKey), running(types.RunningModeAutoStop, 120))).PendingRequests[0]
	want(t, "state", p.State, types.WorkspaceStatePending)
	want(t, "subnet, address and computer", aws.ToString(p.SubnetId)+aws.ToString(p.IpAddress)+aws.ToString(p.ComputerName), "")
	want(t, "length of the id", len(aws.ToString(p.WorkspaceId)), len("ws-")+9)
	want(t, "volumes", *p.WorkspaceProperties.RootVolumeSizeGib*1000+*p.WorkspaceProperties.UserVolumeSizeGib, 80*1000+50)
	want(t, "time", *p.WorkspaceProperties.RunningModeAutoStopTimeoutInMinutes, 120)
	want(t, "key", aws.ToString(p.VolumeEncryptionKey), goodKey)
	want(t, "encrypted", aws.ToBool(p.UserVolumeEncryptionEnabled) && aws.ToBool(p.RootVolumeEncryptionEnabled), true)
}

// Section 9.8: ids of 8 to 63 characters are accepted.
func TestIdsOfAnyLength(t *testing.T) {
	w := newWorld(t)
	for i, n := range []int{8, 63} {
		id := "ws-" + strings.Repeat("a", n)
		w.put(WorkSpace{ID: id, Directory: corp, User: []string{"ada", "grace"}[i]})
		w.wantState(id, desktop.Available)
	}
	long := "d-" + strings.Repeat("a", 63)
	w.must(w.lane.AddDirectory(Directory{ID: long, Subnets: []string{subnetA}}))
	w.must(w.lane.AddUsers(long, "ada"))
	w.make("ada", in(long))
}

// Section 9.5: a name that was deleted and added again has another SID, and may have a second WorkSpace.
func TestIdentityIsTheSID(t *testing.T) {
	again := func(w *world) {
		w.must(w.lane.RemoveUser(corp, "ada"))
		w.must(w.lane.AddUsers(corp, "ada"))
	}
	byName := sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp), UserName: aws.String("ada")}
	t.Run("added again: a second one of the name", func(t *testing.T) {
		w := newWorld(t)
		first := w.make("ada")
		again(w)
		second := w.make("ada")
		want(t, "of the name", len(w.describe(byName)), 2)
		want(t, "the same id", first == second, false)
	})
	t.Run("added again: the first hidden, by the switch", func(t *testing.T) {
		w := newWorld(t, func(k *Knobs) { k.FormerOwnerHidden = true })
		first := w.make("ada")
		again(w)
		second := w.make("ada")
		found := w.describe(byName)
		want(t, "of the name", len(found), 1)
		want(t, "found", aws.ToString(found[0].WorkspaceId), second)
		w.wantState(first, desktop.Pending)
	})
	t.Run("renamed: still the same person", func(t *testing.T) {
		w := newWorld(t)
		w.make("ada")
		w.must(w.lane.RenameUser(corp, "ada", "lovelace"))
		want(t, "answer", codes(w.create(wish("lovelace"))), "failed lovelace: ResourceExists.WorkSpace")
		want(t, "of the old name", len(w.describe(byName)), 1)
		want(t, "the old name", codes(w.create(wish("ada"))), "failed ada: ResourceNotFound.User")
	})
}

// Section 9.5: creating while the old one is on its way out.
func TestCreateWhileTerminating(t *testing.T) {
	for name, c := range map[string]struct {
		stands bool
		want   string
	}{"refused": {true, "failed ada: ResourceExists.WorkSpace"}, "accepted, by the switch": {false, "pending ada"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(k *Knobs) { k.ExistsWhileTerminating = c.stands })
			id := w.ready("ada")
			w.must(w.lane.Terminate(id))
			want(t, "answer", codes(w.create(wish("ada"))), c.want)
			w.clock.Advance(10 * time.Minute)
			w.wantState(id, "absent")
		})
	}
}

// User-decoupled WorkSpaces have no person: any number of them.
func TestUserDecoupled(t *testing.T) {
	w := newWorld(t)
	named := func(name string) change {
		return func(r *types.WorkspaceRequest) { r.WorkspaceName = aws.String(name) }
	}
	want(t, "answer", codes(w.create(wish(Undefined, named("desk-1")), wish(Undefined, named("desk-2")))), "pending [UNDEFINED]; pending [UNDEFINED]")
	found := w.describe(sdk.DescribeWorkspacesInput{WorkspaceName: aws.String("desk-2")})
	want(t, "found", len(found), 1)
	want(t, "name", aws.ToString(found[0].WorkspaceName), "desk-2")
}
