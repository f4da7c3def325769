package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/clock"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/service"
	emulator "rollcall/shared/emulator/workspaces"
	"rollcall/shared/fault"
	"rollcall/shared/fleet"
)

// simulated runs a test on the clock of a bubble, over an emulator that enforces the service's limits.
func simulated(t *testing.T, name string, test func(t *testing.T, w *cloud)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newCloud(t, clock.System{})) })
	})
}

func kindOf(t *testing.T, err error, want fault.Kind, says ...string) {
	t.Helper()
	if fault.Of(err) != want {
		t.Errorf("%s: %v, want %s", fault.Of(err), err, want)
	}
	for _, s := range says {
		if err != nil && !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

func TestCreate(t *testing.T) {
	simulated(t, "each answer comes back to its person", func(t *testing.T, w *cloud) {
		w.users(t, "Alice", "bob", "carol")
		if _, err := w.home().Put(emulator.WorkSpace{Directory: dirID, User: "BOB", Bundle: bundle}); err != nil {
			t.Fatal(err)
		}
		w.home().FailItems("carol", 1, emulator.Failure{Code: "Something.New", Message: "never heard of"})
		got, err := w.open(t).Create(t.Context(), []desktop.Request{want("alice"), want("bob"), want("carol"), want("dave")})
		if err != nil || len(got) != 4 {
			t.Fatalf("%v, %v", got, err)
		}
		if d := got[want("alice").Key()].Desktop; !strings.HasPrefix(d.ID, "ws-") || d.State != desktop.Pending {
			t.Errorf("%+v", d)
		}
		kindOf(t, got[want("bob").Key()].Err, fault.AlreadyExists, "ResourceExists.WorkSpace")
		kindOf(t, got[want("carol").Key()].Err, fault.Rejected, "Something.New", "never heard of")
		kindOf(t, got[want("dave").Key()].Err, fault.NotInDirectory, "ResourceNotFound.User")
	})
	simulated(t, "translated as the profile says", func(t *testing.T, w *cloud) {
		w.users(t, "alice", "bob")
		key := "arn:aws:kms:eu-central-1:111122223333:key/1"
		w.home().AddKey(key, true)
		a, b := want("alice"), want("bob")
		a.Tags = map[string]string{"department": "sales", desktop.TagPerson: "somebody else"}
		a.EncryptUser, a.Spec.Key, a.RootGB, a.UserGB, a.Protocol = true, key, 175, 100, "WSP"
		b.RunningMode, b.AutoStopMinutes, b.Spec.Key = desktop.AlwaysOn, 60, key // neither a time nor a key is sent
		if _, err := w.open(t).Create(t.Context(), []desktop.Request{a, b}); err != nil {
			t.Fatal(err)
		}
		var body struct{ Workspaces []map[string]any }
		if err := json.Unmarshal([]byte(w.calls[0].body), &body); err != nil {
			t.Fatal(err)
		}
		tag := func(k, v string) any { return map[string]any{"Key": k, "Value": v} }
		wantBody := []map[string]any{
			{
				"DirectoryId": dirID, "UserName": "alice", "BundleId": bundle, "UserVolumeEncryptionEnabled": true, "VolumeEncryptionKey": key,
				"WorkspaceProperties": map[string]any{
					"RunningMode": "AUTO_STOP", "RunningModeAutoStopTimeoutInMinutes": 60.0,
					"RootVolumeSizeGib": 175.0, "UserVolumeSizeGib": 100.0, "Protocols": []any{"WSP"},
				},
				"Tags": []any{tag("department", "sales"), tag(desktop.TagInstallation, "prod"), tag(desktop.TagPerson, "person-alice"), tag(desktop.TagSlot, "main")},
			},
			{
				"DirectoryId": dirID, "UserName": "bob", "BundleId": bundle,
				"WorkspaceProperties": map[string]any{"RunningMode": "ALWAYS_ON"},
				"Tags":                []any{tag(desktop.TagInstallation, "prod"), tag(desktop.TagPerson, "person-bob"), tag(desktop.TagSlot, "main")},
			},
		}
		if diff := cmp.Diff(wantBody, body.Workspaces); diff != "" {
			t.Error(diff)
		}
		if n := len(w.home().List()); n != 2 {
			t.Errorf("%d desktops", n)
		}
	})
	simulated(t, "the directory is not here", func(t *testing.T, w *cloud) {
		r := want("alice")
		r.Directory = "d-9067ffffff"
		got, err := w.open(t).Create(t.Context(), []desktop.Request{r})
		if err != nil {
			t.Fatal(err)
		}
		kindOf(t, got[r.Key()].Err, fault.Misconfigured, "ResourceNotFound.Directory", "registered")
	})
	for _, how := range []emulator.QuotaAnswer{emulator.QuotaWholeCall, emulator.QuotaPerItem} {
		simulated(t, "quota, "+string(how), func(t *testing.T, w *cloud) {
			w.users(t, "alice", "bob")
			w.home().Set(func(k *emulator.Knobs) { k.Quota = how })
			if err := w.home().SetQuota("L-34278094", 1); err != nil {
				t.Fatal(err)
			}
			got, err := w.open(t).Create(t.Context(), []desktop.Request{want("alice"), want("bob")})
			if how == emulator.QuotaPerItem {
				if err != nil || got[want("alice").Key()].Desktop.ID == "" {
					t.Fatalf("%v, %v", got, err)
				}
				err = got[want("bob").Key()].Err
			}
			kindOf(t, err, fault.QuotaReached, "L-34278094")
		})
	}
	simulated(t, "an answer that is lost: unavailable, and not sent twice", func(t *testing.T, w *cloud) {
		w.users(t, "alice")
		w.home().DropAnswers("CreateWorkspaces", 1)
		_, err := w.open(t).Create(t.Context(), []desktop.Request{want("alice")})
		kindOf(t, err, fault.Unavailable)
		if n := w.count("CreateWorkspaces"); n != 1 || len(w.home().List()) != 1 {
			t.Errorf("%d calls, %d desktops", n, len(w.home().List()))
		}
	})
	simulated(t, "an answer that takes forever", func(t *testing.T, w *cloud) {
		w.users(t, "alice")
		w.latency = func() time.Duration { return time.Hour }
		began := time.Now()
		_, err := w.open(t).Create(t.Context(), []desktop.Request{want("alice")})
		kindOf(t, err, fault.Unavailable)
		if took := time.Since(began); took > time.Minute {
			t.Errorf("waited %s", took)
		}
	})
	for code, kind := range map[string]fault.Kind{
		"InvalidParameterValuesException": fault.Rejected,
		"AccessDeniedException":           fault.Denied,
		"SomethingNewException":           fault.Rejected,
		"ResourceUnavailableException":    fault.Unavailable,
	} {
		simulated(t, "the whole call: "+code, func(t *testing.T, w *cloud) {
			w.home().FailCalls("CreateWorkspaces", -1, emulator.Failure{Code: code, Message: "the service's words"})
			_, err := w.open(t).Create(t.Context(), []desktop.Request{want("alice")})
			kindOf(t, err, kind, code, "the service's words")
			if kind == fault.Denied {
				kindOf(t, err, kind, "workspaces:CreateWorkspaces")
			}
			if n := w.count("CreateWorkspaces"); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func TestDescribeFindTags(t *testing.T) {
	simulated(t, "not visible yet is absent, not an error", func(t *testing.T, w *cloud) {
		w.users(t, "alice")
		f := w.open(t)
		made, err := f.Create(t.Context(), []desktop.Request{want("alice")})
		if err != nil {
			t.Fatal(err)
		}
		id := made[want("alice").Key()].Desktop.ID
		if got, err := f.Describe(t.Context(), []string{id}); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
		_, err = f.Tags(t.Context(), id)
		kindOf(t, err, fault.NotFound)
		time.Sleep(2 * time.Minute)
		got, err := f.Describe(t.Context(), []string{id, "ws-000000000"})
		if err != nil || len(got) != 1 || got[id].State != desktop.Pending || got[id].RunningMode != desktop.AutoStop {
			t.Errorf("%v, %v", got, err)
		}
		tags, err := f.Tags(t.Context(), id)
		if err != nil || !want("alice").Owner.Owns(tags) {
			t.Errorf("%v, %v", tags, err)
		}
	})
	simulated(t, "found by name, whatever its case, every page", func(t *testing.T, w *cloud) {
		w.home().Set(func(k *emulator.Knobs) { k.EmptyPages, k.PageSize = true, 1 })
		for _, user := range []string{"Alice", "bob"} {
			if _, err := w.home().Put(emulator.WorkSpace{Directory: dirID, User: user, Bundle: bundle}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.open(t).Find(t.Context(), dirID, "aLICE")
		if err != nil || len(got) != 1 || got[0].UserName != "Alice" {
			t.Errorf("%v, %v", got, err)
		}
	})
	simulated(t, "ERROR for want of an address", func(t *testing.T, w *cloud) {
		w.users(t, "alice")
		w.home().FailLaunches("alice", 1, w.home().NoAddress())
		f := w.open(t)
		if _, err := f.Create(t.Context(), []desktop.Request{want("alice")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		got, err := f.Find(t.Context(), dirID, "alice")
		if err != nil || len(got) != 1 || got[0].State != desktop.Errored || got[0].ErrorKind != fault.NoCapacity {
			t.Errorf("%+v, %v", got, err)
		}
	})
	simulated(t, "a read whose answer is lost is asked again", func(t *testing.T, w *cloud) {
		w.home().DropAnswers("DescribeWorkspaces", 2)
		if _, err := w.open(t).Find(t.Context(), dirID, "alice"); err != nil {
			t.Error(err)
		}
		if n := w.count("DescribeWorkspaces"); n != 3 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestRate(t *testing.T) {
	describe := func(t *testing.T, f *fleet.Fleet) {
		if _, err := f.Describe(t.Context(), []string{"ws-000000000"}); err != nil {
			t.Error(err)
		}
	}
	simulated(t, "empty at the start, then 1.8 a second, in flight together", func(t *testing.T, w *cloud) {
		w.latency = func() time.Duration { return 10 * time.Second }
		f, began := w.open(t), time.Now()
		done := make(chan bool)
		for range 9 {
			go func() { describe(t, f); done <- true }()
		}
		for range 9 {
			<-done
		}
		first, last := w.calls[0].at.Sub(began), w.calls[8].at.Sub(began)
		if first < 555*time.Millisecond || last < 4999*time.Millisecond || last > 5001*time.Millisecond {
			t.Errorf("the first call at %s, the ninth at %s", first, last)
		}
		if took := time.Since(began); took > 15001*time.Millisecond {
			t.Errorf("took %s: calls do not overlap", took)
		}
	})
	simulated(t, "a rate of one's own", func(t *testing.T, w *cloud) {
		f, err := w.fleets(func(s *fleet.Settings) { s.Rate = 0.5 }).Lane(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		describe(t, f)
		describe(t, f)
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("took %s", took)
		}
	})
	simulated(t, "little is saved up while nobody calls", func(t *testing.T, w *cloud) {
		f := w.open(t)
		time.Sleep(time.Hour)
		began := time.Now()
		for range 4 {
			describe(t, f)
		}
		if took := time.Since(began); took < time.Second || took > 1200*time.Millisecond {
			t.Errorf("four calls took %s: two may be saved up", took)
		}
	})
	simulated(t, "throttled from outside: every attempt waits its turn, and slower", func(t *testing.T, w *cloud) {
		w.home().FailCalls("DescribeWorkspaces", 3, emulator.Failure{Code: "ThrottlingException", Message: "Rate exceeded"})
		f := w.open(t)
		describe(t, f)
		if len(w.calls) != 4 {
			t.Fatalf("%d attempts", len(w.calls))
		}
		for i := 1; i < 4; i++ {
			if gap := w.calls[i].at.Sub(w.calls[i-1].at); gap < time.Second {
				t.Errorf("attempt %d came %s after the one before", i, gap)
			}
		}
		slow := time.Now()
		describe(t, f)
		describe(t, f)
		if took := time.Since(slow); took < 2*time.Second {
			t.Errorf("two calls after three throttles took %s", took)
		}
	})
	simulated(t, "throttled for good: the kind says so", func(t *testing.T, w *cloud) {
		w.home().FailCalls("", -1, emulator.Failure{Code: "ThrottlingException", Message: "Rate exceeded"})
		_, err := w.open(t).Create(t.Context(), []desktop.Request{want("alice")})
		kindOf(t, err, fault.Throttled, "Rate exceeded")
		if n := w.count("CreateWorkspaces"); n != 6 {
			t.Errorf("%d attempts", n)
		}
	})
	simulated(t, "no time for a turn: refused at once, nothing is sent", func(t *testing.T, w *cloud) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := w.open(t).Create(ctx, []desktop.Request{want("alice")})
		kindOf(t, err, fault.Unavailable, "no time")
		if took := time.Since(began); took != 0 || len(w.calls) != 0 {
			t.Errorf("took %s and %d calls", took, len(w.calls))
		}
	})
}

func TestLane_accounts(t *testing.T) {
	arn := fmt.Sprintf("arn:aws:iam::%s:role/rollcall-member", member)
	withRole := func(s *fleet.Settings) { s.MemberRole, s.ExternalID = "rollcall-member", "secret-word" }
	simulated(t, "another account: its role, the external id, once for many lanes", func(t *testing.T, w *cloud) {
		w.roles[arn] = "secret-word"
		fit(t, w.Lane(member, region))
		fleets := w.fleets(withRole)
		for range 3 {
			f, err := fleets.Lane(t.Context(), other)
			if err != nil {
				t.Fatal(err)
			}
			found, err := f.Survey(t.Context(), []string{dirID}, nil)
			if err != nil || !found[0].Registered() || found[0].Lane != other {
				t.Errorf("%+v, %v", found, err)
			}
		}
		assumed := 0
		for _, c := range w.calls {
			if c.service == "sts" {
				assumed++
			}
		}
		if assumed != 1 {
			t.Errorf("the role was assumed %d times", assumed)
		}
	})
	simulated(t, "the role does not trust us: denied, and which role", func(t *testing.T, w *cloud) {
		w.roles[arn] = "another word"
		_, err := w.fleets(withRole).Lane(t.Context(), other)
		kindOf(t, err, fault.Denied, arn, "sts:AssumeRole")
		if strings.Contains(err.Error(), "secret-word") {
			t.Errorf("the external id is in the error: %v", err)
		}
	})
	simulated(t, "no role is configured", func(t *testing.T, w *cloud) {
		_, err := w.fleets().Lane(t.Context(), other)
		kindOf(t, err, fault.Misconfigured, member)
		if len(w.calls) != 0 {
			t.Errorf("%d calls", len(w.calls))
		}
	})
}

func TestSurvey(t *testing.T) {
	simulated(t, "everything", func(t *testing.T, w *cloud) {
		if _, err := w.home().Put(emulator.WorkSpace{Directory: dirID, User: "alice", Bundle: bundle}); err != nil {
			t.Fatal(err)
		}
		got, err := w.open(t).Survey(t.Context(), []string{dirID, "d-9067ffffff"}, []string{bundle, "wsb-000000000"})
		if err != nil || len(got) != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		want := desktop.Catalogue{
			Lane: home, Directory: dirID, Read: got[0].Read, Name: "corp.example.com", Type: "AD_CONNECTOR", State: "REGISTERED",
			RegistrationCode: "SLiad+ABC123", Bundles: map[string]string{bundle: "Standard with Windows 10", "wsb-000000000": ""}, Quota: 100000, Used: 1,
			Subnets: []desktop.Subnet{{ID: subnetA, Zone: "eu-central-1a", Free: w.home().Free(subnetA)}, {ID: subnetB, Zone: "eu-central-1b", Free: w.home().Free(subnetB)}},
		}
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(got[1].Problem, "not registered") || got[1].Registered() {
			t.Errorf("%+v", got[1])
		}
	})
	simulated(t, "not allowed to see the directories: said, for each", func(t *testing.T, w *cloud) {
		w.home().FailCalls("DescribeWorkspaceDirectories", -1, emulator.Failure{Code: "AccessDeniedException", Message: "no"})
		got, err := w.open(t).Survey(t.Context(), []string{dirID}, nil)
		if err != nil || !strings.Contains(got[0].Problem, "workspaces:DescribeWorkspaceDirectories") || got[0].Quota != -1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	simulated(t, "not allowed to count: the rest is there, and the problem", func(t *testing.T, w *cloud) {
		w.home().FailCalls("DescribeWorkspaces", -1, emulator.Failure{Code: "AccessDeniedException", Message: "no"})
		got, err := w.open(t).Survey(t.Context(), []string{dirID}, nil)
		if err != nil || !strings.Contains(got[0].Problem, "workspaces:DescribeWorkspaces") || got[0].Used != -1 || !got[0].Registered() {
			t.Errorf("%+v, %v", got, err)
		}
	})
	simulated(t, "throttled: an error, so that what was recorded stands", func(t *testing.T, w *cloud) {
		w.home().FailCalls("DescribeWorkspaceBundles", -1, emulator.Failure{Code: "ThrottlingException", Message: "Rate exceeded"})
		got, err := w.open(t).Survey(t.Context(), []string{dirID}, []string{bundle})
		kindOf(t, err, fault.Throttled)
		if got != nil {
			t.Errorf("%+v", got)
		}
	})
	simulated(t, "more desktops than it is worth counting", func(t *testing.T, w *cloud) {
		for i := range 101 {
			if _, err := w.home().Put(emulator.WorkSpace{Directory: dirID, User: fmt.Sprint("user", i), Bundle: bundle}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.open(t).Survey(t.Context(), []string{dirID}, nil)
		if err != nil || got[0].Used != -1 || got[0].Problem != "" || w.count("DescribeWorkspaces") != 4 {
			t.Errorf("%+v, %v, %d calls", got, err, w.count("DescribeWorkspaces"))
		}
	})
}

// The same over a real connection: what the other tests leave out is the network.
func TestOverHTTP(t *testing.T) {
	w := newCloud(t, clock.System{})
	w.users(t, "alice")
	server := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		_, _, name, _ := service.ParseScope(r.Header.Get("Authorization"))
		w.services[name].ServeHTTP(to, r)
	}))
	defer server.Close()
	f, err := fleet.New(aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider("KEY", "secret", ""),
		BaseEndpoint: aws.String(server.URL),
	}, fleet.Settings{Account: account, Rate: 1000, Clock: clock.System{}}).Lane(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Create(t.Context(), []desktop.Request{want("alice")})
	if err != nil || got[want("alice").Key()].Desktop.ID == "" {
		t.Errorf("%v, %v", got, err)
	}
	w.home().DropAnswers("CreateWorkspaces", 1)
	_, err = f.Create(t.Context(), []desktop.Request{want("alice")})
	kindOf(t, err, fault.Unavailable)
	if _, err := f.Survey(t.Context(), []string{dirID}, []string{bundle}); err != nil {
		t.Error(err)
	}
}
