package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// findings are what cdk-nag's AwsSolutions pack finds and nobody has excused.
// https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
func findings(stack awscdk.Stack) (all []string) {
	awscdk.Aspects_Of(stack).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Verbose: jsii.Bool(true)}), nil)
	notes, rule := assertions.Annotations_FromStack(stack), assertions.Match_StringLikeRegexp(jsii.String("AwsSolutions-.*"))
	found := append(*notes.FindError(jsii.String("*"), rule), *notes.FindWarning(jsii.String("*"), rule)...)
	for _, message := range found {
		all = append(all, fmt.Sprintf("%s: %v", *message.Id, message.Entry.Data)) //nolint:staticcheck // the type has moved, but assertions still gives the old one
	}
	return all
}

func TestCDKNagHasNoUnexplainedFinding(t *testing.T) {
	for _, finding := range findings(stackWith(t, nil)) {
		t.Error(finding)
	}
}

// Without this, a pack that no longer runs would look like a stack without findings.
func TestCDKNagFindsWhatIsWrong(t *testing.T) {
	stack := stackWith(t, nil)
	awssqs.NewQueue(stack, jsii.String("Careless"), nil)
	if len(findings(stack)) == 0 {
		t.Error("a queue without TLS and dead letters was not found")
	}
}

func TestCfnLintHasNoFinding(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("SKIPPED: cfn-lint is not installed, so the template is not checked against CloudFormation's schemas (pip install cfn-lint)")
	}
	template := filepath.Join(t.TempDir(), "rollcall.template.json")
	if err := os.WriteFile(template, templateAsDeployed(t), 0o600); err != nil {
		t.Fatal(err)
	}
	// W3005: CDK writes that a function depends on its role, which the role's ARN in the function says too.
	check := exec.Command(lint, "--template", template, "--region", "eu-central-1", "--ignore-checks", "W3005")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}
