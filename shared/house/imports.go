package house

import (
	"fmt"
	"slices"
)

// core is what decides: values in, values out.
func core() []string {
	return of("shared/clock", "shared/fault", "shared/redact", "shared/desktop", "shared/member", "shared/assignment",
		"shared/profile", "shared/plan", "shared/reconcile", "shared/lane", "shared/lease", "events")
}

// edges are those who speak to one service each.
func edges() []string {
	return slices.Concat(of("shared/entra"), awsEdges())
}

// awsEdges are those of them that speak to a service of AWS, and awsfault is what they share.
func awsEdges() []string {
	return of("shared/fleet", "shared/ledger", "shared/queue", "shared/secret")
}

func awsfault() []string { return of("shared/awsfault") }

var (
	awsSDK       = []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "github.com/aws/aws-lambda-go"}
	microsoftSDK = []string{"github.com/Azure", "github.com/AzureAD", "github.com/microsoft", "github.com/microsoftgraph"}
	cdk          = []string{"github.com/aws/aws-cdk-go", "github.com/aws/constructs-go", "github.com/aws/jsii-runtime-go", "github.com/cdklabs"}
)

// embedded is the embedded cloud, and what plays companies in it.
func embedded() []string { return of("shared/emulator", "shared/scenario") }

// ban says that some packages never import others.
type ban struct {
	name    string
	who     []string // these and what is below them; none: everybody
	except  []string // but not these and what is below them
	never   []string // these and what is below them
	through bool     // nor by way of others; else only directly
	tests   bool     // nor do their tests
	because string
}

func bans() []ban {
	all := []ban{
		{
			name: "the core knows no SDK, no HTTP and no edge", who: core(), through: true,
			never:   slices.Concat(awsSDK, microsoftSDK, []string{"net/http"}, edges()),
			because: "a decision over values can be read, tested and explained; one that may call a service in the middle cannot",
		},
		{
			name: "what ships holds no emulator, no CDK and no templates", who: of("functions"), through: true,
			never: slices.Concat(embedded(), cdk, []string{"text/template", "html/template", "net/rpc"}),
			because: "an emulator in production is a back door; CDK starts Node; and a template calls methods by name, which makes the " +
				"linker keep every method of the Graph SDK: the planner would grow from 13 to 52 MB",
		},
		{
			name: "only infra imports CDK", except: of("infra"), never: cdk, tests: true,
			because: "CDK takes a minute to compile and needs Node; whoever needs what the stack says reads infra/snapshot",
		},
		{
			name: "the snapshot imports nothing but itself", who: of("infra/snapshot"), never: slices.Concat(cdk, of("")), through: true,
			because: "the embedded cloud starts from it, without CDK and without Node",
		},
		{
			name: "only entra imports the Graph SDK and azidentity", except: of("shared/entra"), never: microsoftSDK,
			because: "the SDK compiles for minutes and must be used in a certain way to stay small; everybody else speaks the words of " +
				"shared/member. A test may drive the emulated Graph with it",
		},
		{
			name: "only the demo imports the embedded cloud", except: append(of("cmd"), embedded()...), never: embedded(),
			because: "the code must not know whether it runs in the embedded cloud; tests may start one",
		},
		{
			name: "only the AWS edges read AWS errors", except: slices.Concat(awsEdges(), awsfault()), never: awsfault(), tests: true,
			because: "an error is classified once, at the edge; whoever reads the SDK's error behind it knows a service's codes, and acts " +
				"on them where nobody looks. Everybody else asks fault.Of",
		},
		{
			name: "awsfault knows no service", who: awsfault(), through: true,
			never: slices.Concat([]string{"github.com/aws/aws-sdk-go-v2/service"}, of("")),
			because: "a code means one thing to one service and another to the next: it is data in the edge, beside its advice, and " +
				"a table for all of them would be wrong for some",
		},
	}
	for i, edge := range edges() {
		others := edges()
		all = append(all, ban{
			name: "edges never import each other", who: []string{edge}, never: slices.Delete(others, i, i+1), through: true,
			because: "an edge translates one service; who needs two of them is start-up or core",
		})
	}
	return all
}

// imports are the bans as rules.
func imports() []Rule {
	rules := []Rule{{
		Name:    "the rules speak of packages that exist",
		Because: "a ban on a package that was renamed finds nothing ever after",
		Findings: func(t Tree) []string {
			return missing(t, slices.Concat(core(), edges(), awsfault(), embedded(), of("functions", "cmd", "infra/snapshot")))
		},
	}}
	for _, b := range bans() {
		rules = append(rules, Rule{Name: b.name, Because: b.because, Findings: b.findings})
	}
	return rules
}

func missing(t Tree, roots []string) (findings []string) {
	for _, root := range roots {
		if !slices.ContainsFunc(t.Packages, func(p *Package) bool { return under(p.Path, root) }) {
			findings = append(findings, root+" is not there")
		}
	}
	return findings
}

func (b ban) findings(t Tree) (findings []string) {
	for _, p := range t.Packages {
		if (len(b.who) > 0 && !under(p.Path, b.who...)) || under(p.Path, b.except...) {
			continue
		}
		for _, reached := range b.reach(p) {
			if under(reached, b.never...) && !under(reached, p.Path) {
				findings = append(findings, fmt.Sprintf("%s imports %s%s", p.Path, reached, by(t, p, reached)))
			}
		}
	}
	return findings
}

// reach are the packages that count: what is imported, or all that is linked.
func (b ban) reach(p *Package) []string {
	reached := slices.Clone(p.Imports)
	if b.through {
		reached = append(reached, p.Deps...)
	}
	if b.tests {
		reached = append(reached, p.TestImports...)
	}
	slices.Sort(reached)
	return slices.Compact(reached)
}

// by names a package of ours on the way to one that is not imported directly, so that somebody finds it.
func by(t Tree, p *Package, reached string) string {
	if slices.Contains(p.Imports, reached) {
		return ""
	}
	if slices.Contains(p.TestImports, reached) {
		return " in a test"
	}
	for _, other := range t.Packages {
		if slices.Contains(p.Deps, other.Path) && slices.Contains(other.Imports, reached) {
			return " by way of " + other.Path
		}
	}
	return " by way of somebody else's package"
}
