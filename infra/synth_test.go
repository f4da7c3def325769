package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close() // ends the Node process in which CDK runs
	os.Exit(code)
}

// stackWith is the stack with the settings of cdk.json and some of them changed, not synthesized yet. The binaries
// are stand-ins of one line, so that no build is needed and the template stays the same.
func stackWith(t *testing.T, changed map[string]any) awscdk.Stack {
	t.Helper()
	context := map[string]any{"aws:cdk:enable-path-metadata": true, "aws:cdk:version-reporting": false}
	for key, value := range cdkJSON(t) {
		context[key] = value
	}
	for key, value := range changed {
		context[key] = value
	}
	s, err := readSettings(func(key string) any { return context[key] })
	if err != nil {
		t.Fatal(err)
	}
	app := awscdk.NewApp(&awscdk.AppProps{
		AnalyticsReporting: jsii.Bool(false), Context: &context, Outdir: jsii.String(t.TempDir()),
	})
	return newStack(app, s, filepath.Join("testdata", "binaries"))
}

// cdkJSON is the context in cdk.json.
func cdkJSON(t *testing.T) map[string]any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "cdk.json"))
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Context map[string]any }
	if err := json.Unmarshal(content, &said); err != nil {
		t.Fatalf("reading cdk.json: %v", err)
	}
	return said.Context
}

// synthesized is the stack's template as JSON, as CDK writes it.
func synthesized(t *testing.T, stack awscdk.Stack) []byte {
	t.Helper()
	assembly := awscdk.Stage_Of(stack).Synth(nil)
	content, err := os.ReadFile(*assembly.GetStackArtifact(stack.ArtifactId()).TemplateFullPath())
	if err != nil {
		t.Fatal(err)
	}
	return content
}
