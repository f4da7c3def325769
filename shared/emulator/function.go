package emulator

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"rollcall/shared/config"
	"rollcall/shared/emulator/runtime"
	"rollcall/shared/emulator/service"
	"rollcall/shared/emulator/sts"
	"rollcall/shared/emulator/template"
)

// Function is a function of the stack with its identity. Environment is complete: the template's variables, and
// those that lead the SDKs into the embedded cloud. Lambda's own variables (AWS_LAMBDA_…) are added by whoever runs it.
type Function struct {
	template.Function
	// Caller is the function's name in the log: its short name in lower case ("planner").
	Caller string
}

// enrol gives every function its key, its role and its environment.
func (c *Cloud) enrol() error {
	for _, f := range c.Stack.Functions {
		caller := strings.ToLower(f.Short)
		key, secret := keyFor(c.options.Stack, caller, "")
		c.gateway.RegisterKey(key, service.Caller{Name: caller, Account: c.options.Account})
		if f.Role != "" {
			if err := c.Roles.RunAs(caller, sts.Principal{Role: f.Role, Function: f.ARN}); err != nil {
				return err
			}
		}
		environment := maps.Clone(f.Environment)
		maps.Copy(environment, map[string]string{
			"AWS_ENDPOINT_URL":      c.gateway.URL(),
			"AWS_REGION":            c.options.Region,
			"AWS_DEFAULT_REGION":    c.options.Region,
			"AWS_ACCESS_KEY_ID":     key,
			"AWS_SECRET_ACCESS_KEY": secret,
			// The person's own configuration, and the machine's role, are none of the function's business.
			"AWS_CONFIG_FILE":             os.DevNull,
			"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
			"AWS_EC2_METADATA_DISABLED":   "true",
			"SSL_CERT_FILE":               c.gateway.CAFile(),
			config.GraphURL:               c.gateway.TLSURL() + "/v1.0",
			config.Authority:              c.gateway.TLSURL(),
		})
		f.Environment = environment
		c.functions = append(c.functions, Function{Function: f, Caller: caller})
	}
	return nil
}

// Function is the function with that name: its short name ("planner", in any case), physical name or logical id.
// The error names those that there are.
func (c *Cloud) Function(name string) (Function, error) {
	var found []Function
	var names []string
	for _, f := range c.functions {
		if strings.EqualFold(name, f.Short) || name == f.Name || name == f.ID {
			found = append(found, f)
		}
		names = append(names, f.Caller)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Function{}, fmt.Errorf("there is no function %q in the stack, but %s", name, strings.Join(names, ", "))
	}
	return Function{}, fmt.Errorf("there are %d functions called %q in the stack", len(found), name)
}

// Environ is the environment as a process wants it: "NAME=value", sorted.
func (f Function) Environ() []string {
	var all []string
	for name, value := range f.Environment {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return all
}

// Getenv reads the environment as os.Getenv does, for a function that runs in this process.
func (f Function) Getenv(name string) string { return f.Environment[name] }

// ConfigOf is the AWS configuration of a function, for running it in this process. The error is that of Function.
func (c *Cloud) ConfigOf(name string) (aws.Config, error) {
	f, err := c.Function(name)
	if err != nil {
		return aws.Config{}, err
	}
	return c.Config(f.Caller, "", ""), nil
}

// Launch starts a function as the compiled bootstrap at that path, with the stack's environment, memory and timeout.
// What it writes goes to log, or nowhere where that is nil. It ends with ctx, its own Close, or the cloud's. Errors
// are those of Function and of runtime.Start.
func (c *Cloud) Launch(ctx context.Context, name, bootstrap string, log io.Writer) (*runtime.Function, error) {
	f, err := c.Function(name)
	if err != nil {
		return nil, fmt.Errorf("launching: %w", err)
	}
	running, err := runtime.Start(ctx, runtime.Options{
		Bootstrap: bootstrap, Env: f.Environment, Name: f.Name,
		Account: c.options.Account, Memory: f.Memory, Timeout: f.Timeout, Log: log,
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.launched = append(c.launched, running)
	return running, nil
}

// Invoking is a launched function as a Handler: what failed in it is the error, with the function's own type.
func Invoking(f *runtime.Function) Handler {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		result, err := f.Invoke(ctx, payload)
		if err == nil && result.Error != nil {
			err = result.Error
		}
		return result.Payload, err
	}
}

// keyFor is an access key that is the same in every run; the secret is as made up, and never verified.
func keyFor(stack, name, account string) (key, secret string) {
	sum := sha256.Sum256([]byte(stack + "/" + name + "/" + account))
	letters := base32.StdEncoding.EncodeToString(sum[:])
	return "AKIA" + letters[:16], "embedded-" + letters[16:40]
}
