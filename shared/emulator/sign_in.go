package emulator

import (
	"encoding/json"
	"fmt"
	"time"

	"rollcall/shared/config"
	"rollcall/shared/emulator/graph"
	"rollcall/shared/emulator/template"
)

// register makes rollcall's app registration with a client secret, as the setup guide asks an administrator to.
func (c *Cloud) register() error {
	app, err := c.Graph.Tenant.AddApp(graph.App{Name: "rollcall", Permissions: []string{"GroupMember.Read.All", "User.Read.All"}})
	if err != nil {
		return fmt.Errorf("registering the app: %w", err)
	}
	c.App = app
	_, c.clientSecret = keyFor(c.options.Stack, "app registration", "")
	if _, err := c.Graph.Tenant.AddSecret(app.ClientID, c.clientSecret, time.Time{}); err != nil {
		return fmt.Errorf("registering the app: %w", err)
	}
	return nil
}

// Credential is the Graph credential as an administrator stores it in Secrets Manager: JSON, with a client secret
// that works for two years from Start on.
func (c *Cloud) Credential() string {
	encoded, _ := json.Marshal(map[string]any{ // text and booleans always marshal
		"tenantId": c.Graph.Tenant.ID, "clientId": c.App.ClientID, "clientSecret": c.clientSecret, "enabled": true,
	})
	return string(encoded)
}

// Store puts a credential into the secret that the functions are told, as an administrator does who sets rollcall up
// or rotates the client secret. The error is that no function is told of a secret of the stack, or the service's own.
func (c *Cloud) Store(credential string) error {
	secret, told := c.graphSecret()
	if !told {
		return fmt.Errorf("storing the Graph credential: no function has a secret of this stack in %s", config.GraphSecret)
	}
	return c.Secrets.Put(c.options.Account, c.options.Region, secret.Name, credential)
}

// graphSecret is the secret of the stack that a function is told as that of the Graph credential.
func (c *Cloud) graphSecret() (template.Secret, bool) {
	for _, f := range c.functions {
		for _, s := range c.Stack.Secrets {
			if name := f.Getenv(config.GraphSecret); name == s.ARN || name == s.Name {
				return s, true
			}
		}
	}
	return template.Secret{}, false
}

// Keyless sets up sign-in without a secret for a function: its account issues web identity tokens, and App trusts
// those of its role. It gives the credential to be stored then (Store), JSON without a client secret. The trust works after
// the tenant's Lag.Federation. Errors: those of Function, a function without a role, a trust that is there already.
func (c *Cloud) Keyless(function string) (credential string, err error) {
	f, err := c.Function(function)
	if err != nil {
		return "", fmt.Errorf("setting up keyless sign-in: %w", err)
	}
	if f.Role == "" {
		return "", fmt.Errorf("setting up keyless sign-in: function %s has no role", f.Caller)
	}
	issuer := c.Roles.EnableFederation(c.options.Account)
	err = c.Graph.Tenant.Trust(c.App.ClientID, graph.Federated{Name: f.Caller, Issuer: issuer, Subject: f.Role})
	if err != nil {
		return "", fmt.Errorf("setting up keyless sign-in: %w", err)
	}
	encoded, _ := json.Marshal(map[string]any{ // text and booleans always marshal
		"tenantId": c.Graph.Tenant.ID, "clientId": c.App.ClientID, "enabled": true,
	})
	return string(encoded), nil
}
