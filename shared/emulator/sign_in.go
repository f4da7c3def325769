package emulator

import (
	"encoding/json"
	"fmt"
	"time"

	"rollcall/shared/emulator/graph"
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
