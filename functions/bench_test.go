package functions_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"rollcall/functions/compiled"
	"rollcall/shared/emulator/runtime"
	"rollcall/shared/reconcile"
)

// BenchmarkStartPlanner is how long the planner takes from exec to its first request for an event, and how that
// compares with a bare Lambda function that links the same AWS clients: at most 1.3 times as long is what we want. It
// is told here and not asserted, because a time on a busy machine proves nothing.
func BenchmarkStartPlanner(b *testing.B) { benchmarkStart(b, "planner", binaries.planner) }

// BenchmarkStartWorker is the same for the worker.
func BenchmarkStartWorker(b *testing.B) { benchmarkStart(b, "worker", binaries.worker) }

// benchmarkStart starts the function and its bare double in turn, so that both meet the same machine.
func benchmarkStart(b *testing.B, name, bootstrap string) {
	double := filepath.Join(binaries.folder, "bare", name, "bootstrap")
	must(b, compiled.Command(b.Context(), "rollcall/functions/testdata/bare/"+name, double))
	env := open(b).env(name)
	starts := map[string][]time.Duration{}
	one := func(bootstrap string) {
		f, err := runtime.Start(b.Context(), runtime.Options{Bootstrap: bootstrap, Env: env})
		must(b, err)
		starts[bootstrap] = append(starts[bootstrap], f.InitTime())
		f.Close()
	}
	for b.Loop() {
		one(bootstrap)
		one(double)
	}
	ours, bare := median(starts[bootstrap]), median(starts[double])
	b.ReportMetric(0, "ns/op") // of both together: says nothing
	b.ReportMetric(milliseconds(ours), "ms-"+name)
	b.ReportMetric(milliseconds(bare), "ms-bare")
	b.ReportMetric(float64(ours)/float64(bare), "times-bare-of-1.3")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// mostMemory is what the planner may take at its peak while it reads a large group.
const mostMemory = 256e6 // bytes

// BenchmarkGroupOf100000 is a preview of a profile whose group has 100,000 members, by the compiled planner: every page
// of the group, everyone looked up in the ledger, a plan for all, nothing written. Requests are those of the planner.
func BenchmarkGroupOf100000(b *testing.B) {
	const members = 100_000
	c := open(b, unthrottled)
	c.crowd(members)
	c.write("sales", nil)
	for b.Loop() {
		planner := c.start("planner")
		calls := c.cloud.Log().Len()
		result, err := planner.Invoke(b.Context(), []byte(`{"action":"preview","profile":"sales"}`))
		must(b, err)
		if result.Error != nil {
			b.Fatal(result.Error)
		}
		b.StopTimer()
		r := c.report(result)
		if r.LookedAt.People != members || r.Planned["create"] != 3 || r.Planned["hold"] != members-3 {
			b.Fatalf("the preview: looked at %+v, planned %v", r.LookedAt, r.Planned)
		}
		c.measure(b, result, calls)
		planner.Close()
		b.StartTimer()
	}
}

// crowd is a group Sales of n members.
func (c *company) crowd(n int) {
	c.t.Helper()
	crowd, err := c.cloud.Graph.Tenant.AddUsers("member", n, nil)
	must(c.t, err)
	c.group("Sales")
	must(c.t, c.cloud.Graph.Tenant.AddMembers(c.ids["Sales"], crowd, 0, n))
}

func (c *company) report(result runtime.Result) (r reconcile.Report) {
	c.t.Helper()
	must(c.t, json.Unmarshal(result.Payload, &r))
	return r
}

// measure reports the memory and the requests of an invocation; calls is how many there were before.
func (c *company) measure(b *testing.B, result runtime.Result, calls int) {
	b.Helper()
	requests := map[string]int{}
	for _, call := range c.cloud.Log().Since(calls) {
		requests[call.Service]++
	}
	b.ReportMetric(float64(result.PeakMemory)/1e6, "MB-peak-of-256")
	b.ReportMetric(float64(requests["graph"]), "graph-requests")
	b.ReportMetric(float64(requests["dynamodb"]), "dynamodb-requests")
	b.ReportMetric(result.Duration.Seconds(), "s-invocation")
	if result.PeakMemory > mostMemory {
		b.Fatalf("the planner took %.0f MB, more than %.0f", float64(result.PeakMemory)/1e6, mostMemory/1e6)
	}
	if result.PeakMemory == 0 {
		b.Log("this system does not tell how much memory a process takes")
	}
}
