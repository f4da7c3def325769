package workspaces

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"rollcall/shared/desktop"
)

// crowd makes n WorkSpaces by hand and returns their ids.
func (w *world) crowd(n int) []string {
	w.Helper()
	w.must(w.lane.SetFree(subnetA, 250))
	var ids []string
	for i := range n {
		ids = append(ids, w.put(WorkSpace{Directory: corp, User: "user" + decimal(i)}))
	}
	return ids
}

// Section 2.1: one filter, and what each finds.
func TestDescribeFilters(t *testing.T) {
	w := newWorld(t)
	ada, grace := w.make("ada"), w.make("grace", from(value))
	there := w.make("ada@example.com", in(entra))
	for _, c := range []struct {
		name string
		in   sdk.DescribeWorkspacesInput
		want []string
	}{
		{"everything", sdk.DescribeWorkspacesInput{}, []string{ada, grace, there}},
		{"by ids", sdk.DescribeWorkspacesInput{WorkspaceIds: []string{grace, ada}}, []string{ada, grace}},
		{"by an id twice", sdk.DescribeWorkspacesInput{WorkspaceIds: []string{ada, ada}}, []string{ada}},
		{"by an id that is not there", sdk.DescribeWorkspacesInput{WorkspaceIds: []string{"ws-nothing00"}}, nil},
		{"by ids, one not there", sdk.DescribeWorkspacesInput{WorkspaceIds: []string{"ws-nothing00", ada}}, []string{ada}},
		{"by directory", sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp)}, []string{ada, grace}},
		{"by a directory that is not there", sdk.DescribeWorkspacesInput{DirectoryId: aws.String("d-9067000000")}, nil},
		{"by user", sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp), UserName: aws.String("ada")}, []string{ada}},
		{"by user in another case", sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp), UserName: aws.String("ADA")}, []string{ada}},
		{"by a user without any", sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp), UserName: aws.String("ken")}, nil},
		{"by bundle", sdk.DescribeWorkspacesInput{BundleId: aws.String(value)}, []string{grace}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range w.describe(c.in) {
				got = append(got, aws.ToString(d.WorkspaceId))
			}
			want(t, "ids", strings.Join(got, " "), strings.Join(c.want, " "))
		})
	}
	w.lane.Set(func(k *Knobs) { k.NamesMatchExactly = true })
	want(t, "in another case, by the switch", len(w.describe(sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp), UserName: aws.String("ADA")})), 0)
}

func TestDescribeRefuses(t *testing.T) {
	w := newWorld(t)
	ids := make([]string, 26)
	for i := range ids {
		ids[i] = "ws-aaaaaaaaa"
	}
	for _, c := range []struct {
		name          string
		in            sdk.DescribeWorkspacesInput
		code, message string
	}{
		{"ids and directory", sdk.DescribeWorkspacesInput{WorkspaceIds: ids[:1], DirectoryId: aws.String(corp)}, invalidValues, combinedFilters},
		{"directory and bundle", sdk.DescribeWorkspacesInput{BundleId: aws.String(value), DirectoryId: aws.String(corp)}, invalidValues, combinedFilters},
		{"a user without a directory", sdk.DescribeWorkspacesInput{UserName: aws.String("ada")}, invalidValues, userNeedsFolder},
		{"26 ids", sdk.DescribeWorkspacesInput{WorkspaceIds: ids}, validation, "less than or equal to 25"},
		{"no ids", sdk.DescribeWorkspacesInput{WorkspaceIds: []string{}}, validation, "greater than or equal to 1"},
		{"an id that is none", sdk.DescribeWorkspacesInput{WorkspaceIds: []string{"ws-UPPER000"}}, validation, "regular expression"},
		{"a limit of 0", sdk.DescribeWorkspacesInput{Limit: aws.Int32(0)}, validation, "greater than or equal to 1"},
		{"a limit of 26", sdk.DescribeWorkspacesInput{Limit: aws.Int32(26)}, validation, "less than or equal to 25"},
		{"a token that is none", sdk.DescribeWorkspacesInput{NextToken: aws.String("x")}, invalidValues, "NextToken"},
		{"a token that is too long", sdk.DescribeWorkspacesInput{NextToken: aws.String(strings.Repeat("x", 2049))}, validation, "2048"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.ws.DescribeWorkspaces(w.ctx, &c.in)
			w.wantError(err, c.code, c.message)
		})
	}
}

// Page sizes, and pages that are short or empty and still have a NextToken.
func TestPaging(t *testing.T) {
	for _, c := range []struct {
		name  string
		knobs func(*Knobs)
		limit int32
		pages int
	}{
		{"as it is", func(*Knobs) {}, 0, 3},
		{"a limit of 10", func(*Knobs) {}, 10, 6},
		{"short pages", func(k *Knobs) { k.PageSize = 20 }, 25, 3},
		{"an empty first page", func(k *Knobs) { k.EmptyPages = true }, 0, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.knobs)
			ids := w.crowd(60)
			in := sdk.DescribeWorkspacesInput{DirectoryId: aws.String(corp)}
			if c.limit > 0 {
				in.Limit = aws.Int32(c.limit)
			}
			var got []string
			pages := 0
			for {
				out, err := w.ws.DescribeWorkspaces(w.ctx, &in)
				w.must(err)
				pages++
				for _, d := range out.Workspaces {
					got = append(got, aws.ToString(d.WorkspaceId))
				}
				if in.NextToken = out.NextToken; out.NextToken == nil {
					break
				}
			}
			want(t, "pages", pages, c.pages)
			want(t, "all of them, once, in order", slices.Equal(got, ids), true)
		})
	}
}

func TestPagingWhileThingsGo(t *testing.T) {
	w := newWorld(t)
	ids := w.crowd(60)
	first, err := w.ws.DescribeWorkspaces(w.ctx, &sdk.DescribeWorkspacesInput{})
	w.must(err)
	for _, id := range ids[:20] {
		w.must(w.lane.Terminate(id))
	}
	w.clock.Advance(time.Hour)
	second, err := w.ws.DescribeWorkspaces(w.ctx, &sdk.DescribeWorkspacesInput{NextToken: first.NextToken})
	w.must(err)
	want(t, "the second page begins", aws.ToString(second.Workspaces[0].WorkspaceId), ids[25])
	_, err = w.ws.DescribeWorkspaces(w.ctx, &sdk.DescribeWorkspacesInput{NextToken: first.NextToken, BundleId: aws.String(standard)})
	w.wantError(err, invalidValues, "NextToken")
	w.clock.Advance(25 * time.Hour)
	_, err = w.ws.DescribeWorkspaces(w.ctx, &sdk.DescribeWorkspacesInput{NextToken: first.NextToken})
	w.wantError(err, invalidValues, "NextToken")
}

// Those that are gone are swept out of the list now and then; nobody else drops out.
func TestPagingAfterManyHaveGone(t *testing.T) {
	w := newWorld(t)
	ids := w.crowd(200)
	for _, id := range ids[10:190] {
		w.must(w.lane.Terminate(id))
	}
	w.clock.Advance(time.Hour)
	var got []string
	for _, d := range w.describe(sdk.DescribeWorkspacesInput{}) {
		got = append(got, aws.ToString(d.WorkspaceId))
	}
	want(t, "those that are left", slices.Equal(got, slices.Concat(ids[:10], ids[190:])), true)
	want(t, "gone", len(w.lane.Gone()), 180)
}

func TestDirectories(t *testing.T) {
	w := newWorld(t)
	w.must(w.lane.AddDirectory(Directory{ID: "d-9067ffffff", Name: "pool.example.com", Type: "SIMPLE_AD", Workspaces: "POOLS", Subnets: []string{subnetA}}))
	w.must(w.lane.AddDirectory(Directory{ID: "d-9067eeeeee", State: deregistered, Subnets: []string{subnetA}}))
	w.must(w.lane.AddDirectory(Directory{ID: "d-9067dddddd", State: "ERROR", Error: "no role", Workspaces: "POOLS", Subnets: []string{subnetA}}))
	filtered := func(name types.DescribeWorkspaceDirectoriesFilterName, values ...string) sdk.DescribeWorkspaceDirectoriesInput {
		return sdk.DescribeWorkspaceDirectoriesInput{Filters: []types.DescribeWorkspaceDirectoriesFilter{{Name: name, Values: values}}}
	}
	for _, c := range []struct {
		name string
		in   sdk.DescribeWorkspaceDirectoriesInput
		want []string
	}{
		{"all but the deregistered", sdk.DescribeWorkspaceDirectoriesInput{}, []string{corp, entra, "d-9067ffffff", "d-9067dddddd"}},
		{"by id", sdk.DescribeWorkspaceDirectoriesInput{DirectoryIds: []string{entra}}, []string{entra}},
		{"by an id that is not there", sdk.DescribeWorkspaceDirectoriesInput{DirectoryIds: []string{"d-9067000000"}}, nil},
		{"by name", sdk.DescribeWorkspaceDirectoriesInput{WorkspaceDirectoryNames: []string{"corp.example.com"}}, []string{corp}},
		{"personal ones", filtered("WORKSPACE_TYPE", "PERSONAL"), []string{corp, entra}},
		{"of Identity Center", filtered("USER_IDENTITY_TYPE", "AWS_IAM_IDENTITY_CENTER"), []string{entra}},
		{"one a page", sdk.DescribeWorkspaceDirectoriesInput{Limit: aws.Int32(1)}, []string{corp, entra, "d-9067ffffff", "d-9067dddddd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			pages := sdk.NewDescribeWorkspaceDirectoriesPaginator(w.ws, &c.in)
			for pages.HasMorePages() {
				out, err := pages.NextPage(w.ctx)
				w.must(err)
				for _, d := range out.Directories {
					got = append(got, aws.ToString(d.DirectoryId))
				}
			}
			want(t, "ids", strings.Join(got, " "), strings.Join(c.want, " "))
		})
	}
	out, err := w.ws.DescribeWorkspaceDirectories(w.ctx, &sdk.DescribeWorkspaceDirectoriesInput{DirectoryIds: []string{corp, entra}})
	w.must(err)
	ad, id := out.Directories[0], out.Directories[1]
	want(t, "registration code", aws.ToString(ad.RegistrationCode), "wsfra+ABC123")
	want(t, "subnets", strings.Join(ad.SubnetIds, " "), subnetA+" "+subnetB)
	want(t, "type", ad.DirectoryType, types.WorkspaceDirectoryTypeAdConnector)
	want(t, "state", ad.State, types.WorkspaceDirectoryStateRegistered)
	want(t, "identity", ad.UserIdentityType, types.UserIdentityTypeAwsDirectoryService)
	want(t, "tenancy of an Entra directory", id.Tenancy, types.TenancyDedicated)
	want(t, "its tenant", aws.ToString(id.MicrosoftEntraConfig.TenantId), "72f988bf-86f1-41af-91ab-2d7cd011db47")
	want(t, "its made-up code begins", strings.HasPrefix(aws.ToString(id.RegistrationCode), "wsfra+"), true)
}

func TestBundles(t *testing.T) {
	w := newWorld(t, func(k *Knobs) { k.PageSize = 2 })
	for _, id := range []string{"wsb-extra0001", "wsb-extra0002", "wsb-extra0003"} {
		w.must(w.lane.AddBundle(Bundle{ID: id}))
	}
	for _, c := range []struct {
		name string
		in   sdk.DescribeWorkspaceBundlesInput
		want string
	}{
		{"one's own", sdk.DescribeWorkspaceBundlesInput{}, standard + " " + graphics + " wsb-extra0001 wsb-extra0002 wsb-extra0003"},
		{"AWS's", sdk.DescribeWorkspaceBundlesInput{Owner: aws.String("AMAZON")}, value},
		{"by ids, whoever owns them", sdk.DescribeWorkspaceBundlesInput{BundleIds: []string{value, standard}}, standard + " " + value},
		{"by an id that is not there", sdk.DescribeWorkspaceBundlesInput{BundleIds: []string{"wsb-nothing00"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			pages := sdk.NewDescribeWorkspaceBundlesPaginator(w.ws, &c.in)
			for pages.HasMorePages() {
				out, err := pages.NextPage(w.ctx)
				w.must(err)
				for _, b := range out.Bundles {
					got = append(got, aws.ToString(b.BundleId))
				}
			}
			want(t, "ids", strings.Join(got, " "), c.want)
		})
	}
	out, err := w.ws.DescribeWorkspaceBundles(w.ctx, &sdk.DescribeWorkspaceBundlesInput{BundleIds: []string{value}})
	w.must(err)
	want(t, "compute type", out.Bundles[0].ComputeType.Name, types.ComputeValue)
	want(t, "user volume", aws.ToString(out.Bundles[0].UserStorage.Capacity), "10")
	_, err = w.ws.DescribeWorkspaceBundles(w.ctx, &sdk.DescribeWorkspaceBundlesInput{BundleIds: []string{value}, Owner: aws.String("AMAZON")})
	w.wantError(err, invalidValues, "")
}

func TestConnectionStatus(t *testing.T) {
	w := newWorld(t)
	here, away, off := w.ready("ada"), w.ready("grace"), w.ready("linus")
	w.must(w.lane.Connect(here))
	w.must(w.lane.Connect(away))
	w.must(w.lane.Disconnect(away))
	w.must(w.lane.SetState(off, desktop.Stopped))
	out, err := w.ws.DescribeWorkspacesConnectionStatus(w.ctx, &sdk.DescribeWorkspacesConnectionStatusInput{})
	w.must(err)
	got := map[string]types.ConnectionState{}
	for _, s := range out.WorkspacesConnectionStatus {
		got[aws.ToString(s.WorkspaceId)] = s.ConnectionState
		want(t, "last connection known", s.LastKnownUserConnectionTimestamp != nil, *s.WorkspaceId != off)
		want(t, "checked", s.ConnectionStateCheckTimestamp.UTC(), w.clock.Now())
	}
	want(t, "here", got[here], types.ConnectionStateConnected)
	want(t, "away", got[away], types.ConnectionStateDisconnected)
	want(t, "off", got[off], types.ConnectionStateUnknown)
	out, err = w.ws.DescribeWorkspacesConnectionStatus(w.ctx, &sdk.DescribeWorkspacesConnectionStatusInput{WorkspaceIds: []string{away}})
	w.must(err)
	want(t, "of one", len(out.WorkspacesConnectionStatus), 1)
	if err := w.lane.Connect(w.make("ken")); err == nil {
		t.Error("one could sign in to a PENDING WorkSpace")
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	id := w.make("ada", tagged("rollcall:slot", "main"), tagged("empty", ""))
	read := func(of string) string {
		t.Helper()
		out, err := w.ws.DescribeTags(w.ctx, &sdk.DescribeTagsInput{ResourceId: aws.String(of)})
		w.must(err)
		var all []string
		for _, tag := range out.TagList {
			all = append(all, aws.ToString(tag.Key)+"="+aws.ToString(tag.Value))
		}
		return strings.Join(all, " ")
	}
	put := func(of string, tags ...types.Tag) error {
		_, err := w.ws.CreateTags(w.ctx, &sdk.CreateTagsInput{ResourceId: aws.String(of), Tags: tags})
		return err
	}
	pair := func(k, v string) types.Tag { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
	want(t, "on create", read(id), "empty= rollcall:slot=main")
	w.must(put(id, pair("owner", "ops"), pair("rollcall:slot", "second")))
	want(t, "after CreateTags", read(id), "empty= owner=ops rollcall:slot=second")
	_, err := w.ws.DeleteTags(w.ctx, &sdk.DeleteTagsInput{ResourceId: aws.String(id), TagKeys: []string{"owner", "not there"}})
	w.must(err)
	want(t, "after DeleteTags", read(id), "empty= rollcall:slot=second")
	w.must(put(corp, pair("site", "hq")))
	want(t, "of a directory", read(corp), "site=hq")

	w.wantError(put(id, pair("AWS:x", "y")), invalidValues, "reserved")
	w.wantError(put(id, pair("x", " y")), invalidValues, "")
	w.wantError(put("ws-nothing00", pair("x", "y")), notFound, "")
	var many []types.Tag
	for i := range 49 {
		many = append(many, pair("k"+decimal(i), "v"))
	}
	w.wantError(put(id, many...), limitExceeded, "50")
	want(t, "after a refusal", read(id), "empty= rollcall:slot=second")
	w.must(put(id, many[:48]...))
	_, err = w.ws.DeleteTags(w.ctx, &sdk.DeleteTagsInput{ResourceId: aws.String("ws-nothing00"), TagKeys: []string{"x"}})
	w.wantError(err, notFound, "")
	_, err = w.ws.DescribeTags(w.ctx, &sdk.DescribeTagsInput{ResourceId: aws.String("ws-nothing00")})
	w.wantError(err, notFound, "")
}

func TestDescribeAccount(t *testing.T) {
	w := newWorld(t)
	out, err := w.ws.DescribeAccount(w.ctx, &sdk.DescribeAccountInput{})
	w.must(err)
	want(t, "licences", out.DedicatedTenancySupport, types.DedicatedTenancySupportResultEnumDisabled)
	w.lane.SetAccount(Account{Dedicated: true, ManagementCIDR: "10.0.0.0/16", Type: "SOURCE_ACCOUNT"})
	out, err = w.ws.DescribeAccount(w.ctx, &sdk.DescribeAccountInput{})
	w.must(err)
	want(t, "licences", out.DedicatedTenancySupport, types.DedicatedTenancySupportResultEnumEnabled)
	want(t, "range", aws.ToString(out.DedicatedTenancyManagementCidrRange), "10.0.0.0/16")
}
