package graph

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"
)

// App is an app registration with its service principal in the tenant.
type App struct {
	ClientID string // made where empty
	Name     string
	// Permissions are application permissions with admin consent, such as "User.Read.All". An access token carries
	// those that were granted when it was issued.
	Permissions []string
}

// Federated is a federated identity credential: an outside token with exactly these three claims is as good as a
// secret. https://learn.microsoft.com/graph/api/resources/federatedidentitycredential
type Federated struct {
	Name     string
	Issuer   string // exact, without a slash or blank at the end
	Subject  string // exact, at most 600 characters, case-sensitive
	Audience string // exactly one; "api://AzureADTokenExchange" where empty
}

// MostFederated is how many federated credentials an app may have.
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
const MostFederated = 20

// TokenExchange is the recommended audience of a federated credential.
const TokenExchange = "api://AzureADTokenExchange"

type app struct {
	App
	disabled bool
	secrets  []secret
	trusts   []trust
}

// secret is kept as a hash: the emulator, too, cannot show it again.
type secret struct {
	id      string
	hash    [32]byte
	expires time.Time
}

type trust struct {
	Federated
	made time.Time
}

// AddApp registers an app and returns it with its client id. ErrExists where the client id is taken, ErrInvalid
// where it is not a GUID.
func (t *Tenant) AddApp(a App) (App, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.ClientID = canonical(a.ClientID)
	if a.ClientID == "" {
		a.ClientID = t.ids.next()
	}
	if !isID(a.ClientID) {
		return App{}, fmt.Errorf("adding app %s: id is not a GUID: %w", a.ClientID, ErrInvalid)
	}
	if t.apps[a.ClientID] != nil {
		return App{}, fmt.Errorf("adding app %s: %w", a.ClientID, ErrExists)
	}
	a.Permissions = slices.Clone(a.Permissions)
	t.apps[a.ClientID] = &app{App: a}
	return a, nil
}

func (t *Tenant) changeApp(doing, client string, edit func(*app) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[canonical(client)]
	if a == nil {
		return fmt.Errorf("%s: %w", doing, notFound("app", client))
	}
	if err := edit(a); err != nil {
		return fmt.Errorf("%s app %s: %w", doing, client, err)
	}
	return nil
}

// AddSecret adds a client secret that works until expires (zero: two years from now) and returns the secret's id,
// which is not the secret. Several may be valid at once.
func (t *Tenant) AddSecret(client, value string, expires time.Time) (id string, err error) {
	if value == "" {
		return "", fmt.Errorf("adding a secret to app %s: it is empty: %w", client, ErrInvalid)
	}
	if expires.IsZero() {
		expires = t.clock.Now().AddDate(2, 0, 0)
	}
	id = t.ids.next()
	return id, t.changeApp("adding a secret to", client, func(a *app) error {
		a.secrets = append(a.secrets, secret{id: id, hash: sha256.Sum256([]byte(value)), expires: expires})
		return nil
	})
}

// RemoveSecret removes a secret by its id.
func (t *Tenant) RemoveSecret(client, id string) error {
	return t.changeApp("removing a secret of", client, func(a *app) error {
		n := len(a.secrets)
		a.secrets = slices.DeleteFunc(a.secrets, func(s secret) bool { return s.id == id })
		if len(a.secrets) == n {
			return notFound("secret", id)
		}
		return nil
	})
}

// Trust adds a federated credential. It works after Lag.Federation. ErrExists where issuer and subject are there
// already, ErrInvalid where there are MostFederated, or one part is empty or too long. A wrong subject is not
// noticed here, only when a token is exchanged.
func (t *Tenant) Trust(client string, f Federated) error {
	if f.Audience == "" {
		f.Audience = TokenExchange
	}
	return t.changeApp("adding a federated credential to", client, func(a *app) error {
		if f.Issuer == "" || f.Subject == "" || len(f.Subject) > 600 || len(a.trusts) >= MostFederated {
			return ErrInvalid
		}
		for _, other := range a.trusts {
			if other.Issuer == f.Issuer && other.Subject == f.Subject {
				return ErrExists
			}
		}
		a.trusts = append(a.trusts, trust{f, t.clock.Now()})
		return nil
	})
}

// Distrust removes the federated credentials of an issuer and subject.
func (t *Tenant) Distrust(client, issuer, subject string) error {
	return t.changeApp("removing a federated credential of", client, func(a *app) error {
		n := len(a.trusts)
		a.trusts = slices.DeleteFunc(a.trusts, func(f trust) bool { return f.Issuer == issuer && f.Subject == subject })
		if len(a.trusts) == n {
			return ErrNotFound
		}
		return nil
	})
}

// Grant consents to permissions. It reaches new tokens only.
func (t *Tenant) Grant(client string, permissions ...string) error {
	return t.changeApp("granting permissions to", client, func(a *app) error {
		for _, p := range permissions {
			if !slices.Contains(a.Permissions, p) {
				a.Permissions = append(a.Permissions, p)
			}
		}
		return nil
	})
}

// Revoke takes permissions back. A token that was issued before keeps them until it expires.
func (t *Tenant) Revoke(client string, permissions ...string) error {
	return t.changeApp("revoking permissions of", client, func(a *app) error {
		a.Permissions = slices.DeleteFunc(slices.Clone(a.Permissions), func(p string) bool {
			return slices.Contains(permissions, p)
		})
		return nil
	})
}

// DisableApp switches sign-in of the app off (AADSTS7000112) or on again.
func (t *Tenant) DisableApp(client string, off bool) error {
	return t.changeApp("disabling", client, func(a *app) error {
		a.disabled = off
		return nil
	})
}

// DeleteApp removes the app registration: new tokens are refused with AADSTS700016.
func (t *Tenant) DeleteApp(client string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.apps[canonical(client)] == nil {
		return fmt.Errorf("deleting: %w", notFound("app", client))
	}
	delete(t.apps, canonical(client))
	return nil
}
