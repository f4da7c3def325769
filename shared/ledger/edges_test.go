package ledger_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/emulator/gateway"
	"rollcall/shared/emulator/service"
	"rollcall/shared/fault"
	"rollcall/shared/ledger"
	"rollcall/shared/member"
	"rollcall/shared/profile"
)

func TestProfilesTable(t *testing.T) {
	s := start(t)
	sales := profile.Document{ID: "sales", Fields: map[string]any{
		"group": "g-1", "priority": int64(10), "ratio": 0.5, "removal": false, "nothing": nil,
		"directories": []any{"d-1", "d-2"}, "tags": map[string]any{"a": "b", "n": []any{}}, "empty": "",
	}}
	lab := profile.Document{ID: "lab", Fields: map[string]any{}}
	for _, d := range []profile.Document{sales, lab} {
		if err := s.profiles.Put(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...profile.Document) {
		t.Helper()
		got, err := s.profiles.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-expected +read:\n%s", diff)
		}
	}
	expect(lab, sales)

	// What an administrator may write in the console and JSON cannot.
	_, err := s.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(s.table + "-profiles"), Item: map[string]types.AttributeValue{
		"id":     &types.AttributeValueMemberS{Value: "lab"},
		"texts":  &types.AttributeValueMemberSS{Value: []string{"b", "c", "a"}},
		"counts": &types.AttributeValueMemberNS{Value: []string{"10", "9", "1.5"}},
		"bytes":  &types.AttributeValueMemberB{Value: []byte("hi")},
		"more":   &types.AttributeValueMemberBS{Value: [][]byte{[]byte("hi")}},
		"huge":   &types.AttributeValueMemberN{Value: "123456789012345678901234567890"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	lab.Fields = map[string]any{
		"texts": []any{"a", "b", "c"}, "counts": []any{1.5, int64(9), int64(10)},
		"bytes": map[string]any{"B": "aGk="}, "more": map[string]any{"BS": 1}, "huge": 123456789012345678901234567890.0,
	}
	expect(lab, sales)

	for range 2 {
		if err := s.profiles.Delete(t.Context(), "lab"); err != nil {
			t.Fatal(err)
		}
	}
	expect(sales)

	for name, d := range map[string]profile.Document{
		"without an id":        {},
		"with another id":      {ID: "a", Fields: map[string]any{"id": "b"}},
		"with what JSON lacks": {ID: "a", Fields: map[string]any{"x": math.NaN()}},
	} {
		if err := s.profiles.Put(t.Context(), d); fault.Of(err) != fault.Rejected {
			t.Errorf("%s: %v", name, err)
		}
	}
	expect(sales)
}

func TestEveryProfileOrAnError(t *testing.T) {
	s := start(t)
	for i := range 4 {
		d := profile.Document{ID: fmt.Sprint("p", i), Fields: map[string]any{"note": strings.Repeat("x", 390_000)}}
		if err := s.profiles.Put(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.profiles.All(t.Context())
	if err != nil || len(all) != 4 || s.calls("Scan") < 2 {
		t.Fatalf("%d profiles in %d pages, %v", len(all), s.calls("Scan"), err)
	}
	s.inject(t, gateway.Fault{Operation: "Scan", Why: service.Deny, Skip: 1})
	all, err = s.profiles.All(t.Context())
	expectKind(t, err, fault.Denied)
	if all != nil {
		t.Errorf("and yet there is a result of %d", len(all))
	}
	if advice := fault.As(err).Advice; !strings.Contains(advice, "dynamodb:Scan on table "+s.table+"-profiles") {
		t.Errorf("the advice is %q", advice)
	}
}

// TestWhatAFailureMeans: each refusal that DynamoDB may answer with, as the kind that callers act on.
func TestWhatAFailureMeans(t *testing.T) {
	cases := map[service.Refusal]fault.Kind{
		service.Throttle:    fault.Throttled,
		service.Unavailable: fault.Unavailable,
		service.ServerError: fault.Unavailable,
		service.Deny:        fault.Denied,
		service.DropAnswer:  fault.Unavailable,
		service.DropCall:    fault.Unavailable,
	}
	for why, want := range cases {
		t.Run(string(why), func(t *testing.T) {
			s := start(t)
			s.inject(t, gateway.Fault{Service: "dynamodb", Why: why})
			for name, err := range everyCall(t.Context(), s) {
				if got := fault.Of(err); got != want {
					t.Errorf("%s: %q (%v): expected %q", name, got, err, want)
				}
			}
		})
	}
	t.Run("a deadline", func(t *testing.T) {
		s := start(t)
		ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		for name, err := range everyCall(ctx, s) {
			if got := fault.Of(err); got != fault.Unavailable {
				t.Errorf("%s: %q (%v)", name, got, err)
			}
		}
	})
}

// everyCall is the error of each method, once.
func everyCall(ctx context.Context, s *stage) map[string]error {
	errs := map[string]error{}
	_, errs["Load"] = s.Load(ctx, []assignment.Key{person("ada")})
	_, errs["Save"] = s.Save(ctx, whole())
	_, errs["Save with an event"] = s.Save(ctx, whole(), assignment.Event{Key: person("ada"), ID: "1", At: nine()})
	_, errs["Due"] = s.Due(ctx, nine(), 0)
	_, errs["OfProfile"] = s.OfProfile(ctx, "sales", "", 0)
	_, errs["OfPerson"] = s.OfPerson(ctx, "ada")
	_, errs["History"] = s.History(ctx, "ada")
	errs["Poke"] = s.Poke(ctx, []assignment.Key{person("ada")}, nine())
	errs["Name"] = s.Name(ctx, []string{"ada"})
	errs["Forget"] = s.Forget(ctx, []string{"ada"})
	_, errs["Named"] = s.Named(ctx, 0)
	l, err := s.Acquire(ctx, "a", nine(), time.Minute)
	errs["Acquire"] = err
	_, errs["Renew"] = s.Renew(ctx, l, nine(), time.Minute)
	errs["Release"] = s.Release(ctx, l)
	_, errs["Lease"] = s.Ledger.Lease(ctx)
	_, errs["Standings"] = s.Standings(ctx)
	_, errs["Standing"] = s.Standing(ctx, "sales")
	_, errs["SaveStanding"] = s.SaveStanding(ctx, standing("sales"))
	_, errs["Cursors"] = s.Cursors(ctx)
	_, errs["SaveCursor"] = s.SaveCursor(ctx, member.Cursor{Name: "users"})
	errs["DeleteCursor"] = s.DeleteCursor(ctx, "users")
	_, errs["Catalogues"] = s.Catalogues(ctx)
	errs["SaveCatalogue"] = s.SaveCatalogue(ctx, desktop.Catalogue{Directory: "d-1"})
	_, errs["Stop"] = s.Stop(ctx)
	errs["SaveStop"] = s.SaveStop(ctx, profile.Stop{})
	errs["SaveRun"] = s.SaveRun(ctx, nine(), "1", []byte("{}"))
	_, errs["Runs"] = s.Runs(ctx, 1)
	_, errs["Profiles.All"] = s.profiles.All(ctx)
	errs["Profiles.Put"] = s.profiles.Put(ctx, profile.Document{ID: "sales"})
	errs["Profiles.Delete"] = s.profiles.Delete(ctx, "sales")
	for _, err := range s.Everyone(ctx) {
		errs["Everyone"] = err
	}
	for _, err := range s.Everyone(ctx, "sales") {
		errs["Everyone of a profile"] = err
	}
	return errs
}

func TestATableThatIsNotThere(t *testing.T) {
	s := start(t)
	_, err := s.open("another").Load(t.Context(), []assignment.Key{person("ada")})
	expectMisconfigured(t, err, "There is no table another", "ROLLCALL_LEDGER_TABLE")
	_, err = ledger.NewProfiles(s.client, "another").All(t.Context())
	expectMisconfigured(t, err, "There is no table another", "ROLLCALL_PROFILES_TABLE")
	// The two names were mixed up: the table is there, its keys are others.
	_, err = s.open(s.table+"-profiles").Load(t.Context(), []assignment.Key{person("ada")})
	expectMisconfigured(t, err, s.table+"-profiles", "ROLLCALL_LEDGER_TABLE")
	_, err = s.open(s.table+"-profiles").Due(t.Context(), nine(), 0)
	expectMisconfigured(t, err, s.table+"-profiles", "ROLLCALL_LEDGER_TABLE")
}

func expectMisconfigured(t *testing.T, err error, says ...string) {
	t.Helper()
	expectKind(t, err, fault.Misconfigured)
	for _, each := range says {
		if !strings.Contains(fmt.Sprint(err), each) {
			t.Errorf("%v does not say %q", err, each)
		}
	}
}

// TestAnAnswerThatCannotBeRead leaves open whether the call was carried out.
func TestAnAnswerThatCannotBeRead(t *testing.T) {
	for name, body := range map[string]string{"cut off": `{"Item":{"pk":{"S":"SETT`, "a page of a proxy": "<html>"} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
			defer server.Close()
			client := dynamodb.New(dynamodb.Options{
				Region: region, BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
				Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", ""),
			})
			_, err := ledger.New(client, "t").Stop(t.Context())
			expectKind(t, err, fault.Unavailable)
		})
	}
}

// TestCodes: an answer of DynamoDB's, which dynalite never gives, by its code and status.
func TestCodes(t *testing.T) {
	cases := []struct {
		code   string
		status int
		want   fault.Kind
	}{
		{"ThrottlingException", 400, fault.Throttled},
		{"RequestLimitExceeded", 400, fault.Throttled},
		{"UnrecognizedClientException", 400, fault.Denied},
		{"ExpiredTokenException", 400, fault.Denied},
		{"TransactionConflictException", 400, fault.Conflict},
		{"SomethingNew", 400, fault.Unknown},
		{"SomethingNew", 503, fault.Unavailable},
		{"", 502, fault.Unavailable},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.code, c.status), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.Header().Set("X-Amzn-Requestid", "REQUEST1")
				w.WriteHeader(c.status)
				fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"no"}`, c.code)
			}))
			defer server.Close()
			client := dynamodb.New(dynamodb.Options{
				Region: region, BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
				Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", ""),
			})
			_, err := ledger.New(client, "t").Stop(t.Context())
			expectKind(t, err, c.want)
			if e := fault.As(err); e != nil && (e.RequestID != "REQUEST1" || c.code != "" && e.Code != c.code) {
				t.Errorf("code %q, request %q", e.Code, e.RequestID)
			}
		})
	}
}
