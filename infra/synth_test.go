package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close() // ends the Node process in which CDK runs
	os.Exit(code)
}

// asDeployed is the template with the settings of cdk.json. It is synthesized once for all tests that read it.
var asDeployed = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "rollcall-synth")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	stack, err := newStackWith(folder, nil)
	if err != nil {
		return nil, err
	}
	return templateFrom(stack)
})

func templateAsDeployed(t *testing.T) []byte {
	t.Helper()
	template, err := asDeployed()
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// stackWith is the stack with the settings of cdk.json and some of them changed, not synthesized yet.
func stackWith(t *testing.T, changed map[string]any) awscdk.Stack {
	t.Helper()
	stack, err := newStackWith(t.TempDir(), changed)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// newStackWith takes stand-ins of one line for the binaries, so that no build is needed and the template stays the
// same whatever is built.
func newStackWith(folder string, changed map[string]any) (awscdk.Stack, error) {
	context, err := cdkJSON()
	if err != nil {
		return nil, err
	}
	maps.Copy(context, changed)
	s, err := readSettings(func(key string) any { return context[key] })
	if err != nil {
		return nil, err
	}
	context["aws:cdk:enable-path-metadata"] = true // as the CDK command line sets it
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Context: &context, Outdir: &folder})
	return newStack(app, s, filepath.Join("testdata", "binaries")), nil
}

// cdkJSON is the context in cdk.json.
func cdkJSON() (map[string]any, error) {
	content, err := os.ReadFile(filepath.Join("..", "cdk.json"))
	if err != nil {
		return nil, err
	}
	var said struct{ Context map[string]any }
	if err := json.Unmarshal(content, &said); err != nil {
		return nil, fmt.Errorf("reading cdk.json: %w", err)
	}
	return said.Context, nil
}

// templateFrom is the stack's template as JSON, as CDK writes it.
func templateFrom(stack awscdk.Stack) ([]byte, error) {
	assembly := awscdk.Stage_Of(stack).Synth(nil)
	return os.ReadFile(*assembly.GetStackArtifact(stack.ArtifactId()).TemplateFullPath())
}

// templateWith is the template with some settings changed.
func templateWith(t *testing.T, changed map[string]any) []byte {
	t.Helper()
	template, err := templateFrom(stackWith(t, changed))
	if err != nil {
		t.Fatal(err)
	}
	return template
}
