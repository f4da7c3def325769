package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"rollcall/shared/redact"
)

// Cloud is the Microsoft cloud that the tenant is in.
// https://learn.microsoft.com/graph/deployments
type Cloud string

// The clouds.
const (
	Global   Cloud = "global"
	USGov    Cloud = "usgov"    // US Government L4 (GCC High)
	USGovDoD Cloud = "usgovdod" // US Government L5 (DoD)
	China    Cloud = "china"    // operated by 21Vianet
)

func clouds() []string {
	return []string{string(Global), string(USGov), string(USGovDoD), string(China)}
}

// Credential is how rollcall signs in to Microsoft Entra.
type Credential struct {
	TenantID string // Directory (tenant) ID
	ClientID string // Application (client) ID
	// ClientSecret is empty for keyless sign-in.
	ClientSecret redact.Secret
	// ExpiresOn is when the client secret ends, as whoever stored it says; zero where that is not known. Entra does
	// not tell it to the one who signs in.
	ExpiresOn time.Time
	// Enabled is false where an administrator has switched Microsoft Graph off: do not sign in.
	Enabled bool
	Cloud   Cloud
}

// Keyless reports whether there is no client secret: sign in with a token of the function's own role.
func (c Credential) Keyless() bool { return c.ClientSecret.IsZero() }

// The fields of the document.
const (
	fieldTenant  = "tenantId"
	fieldClient  = "clientId"
	fieldSecret  = "clientSecret"
	fieldExpires = "expiresOn"
	fieldEnabled = "enabled"
	fieldCloud   = "cloud"
)

func fieldNames() []string {
	return []string{fieldTenant, fieldClient, fieldSecret, fieldExpires, fieldEnabled, fieldCloud}
}

// example is what a complaint about the document as a whole shows.
const example = `{"tenantId": "…", "clientId": "…", "clientSecret": "…", "expiresOn": "2027-11-23", "enabled": true}`

// decode reads the document. Its error lists every complaint: which field, what is expected, what to do. No
// complaint holds anything that the document does: a value may be the secret, in the wrong place.
func decode(document []byte) (Credential, error) {
	fields, err := object(document)
	if err != nil {
		return Credential{}, err
	}
	d := &decoder{fields: fields}
	d.unknown()
	c := Credential{
		TenantID:     d.tenant(),
		ClientID:     d.client(),
		ClientSecret: d.secret(),
		ExpiresOn:    d.expires(),
		Enabled:      d.enabled(),
		Cloud:        d.cloud(),
	}
	if len(d.complaints) > 0 {
		return Credential{}, errors.New(strings.Join(d.complaints, "; "))
	}
	return c, nil
}

// object splits the document into its fields. encoding/json alone would take a repeated field's last value, fields
// whatever their case, and quote the text in its errors.
func object(document []byte) (map[string]json.RawMessage, error) {
	notJSON := errors.New("the secret is not a JSON object: expected " + example)
	if len(bytes.TrimSpace(document)) == 0 {
		return nil, errors.New("the secret is empty: expected " + example)
	}
	if bytes.HasPrefix(document, []byte("\uFEFF")) {
		return nil, errors.New("the secret begins with a byte order mark, which some editors put there: save it without")
	}
	d := json.NewDecoder(bytes.NewReader(document))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, notJSON
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, notJSON
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, notJSON
		}
		key := name.(string) // a name in an object is a string, or Token had failed
		if _, twice := fields[key]; twice {
			return nil, errors.New(named(key) + " is there twice: leave one of them")
		}
		fields[key] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the secret has more than one JSON object: leave one of them")
	}
	return fields, nil
}

// named is a field's name for a complaint, where it is one of ours. Another one is not repeated unless it looks like
// a name: it may be a value in the wrong place.
func named(field string) string {
	if slices.Contains(fieldNames(), field) {
		return field
	}
	if meant := meaning(field); meant != "" {
		return fmt.Sprintf("a field that probably means %s", meant)
	}
	return "a field that is not known"
}

// meaning is the field that a misspelt one probably means, or empty.
func meaning(field string) string {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(s))
	}
	other := map[string]string{
		"tenant": fieldTenant, "directoryid": fieldTenant, "directorytenantid": fieldTenant, "azuretenantid": fieldTenant,
		"client": fieldClient, "appid": fieldClient, "applicationid": fieldClient, "applicationclientid": fieldClient,
		"azureclientid": fieldClient,
		"secret":        fieldSecret, "secretvalue": fieldSecret, "clientsecretvalue": fieldSecret, "password": fieldSecret,
		"value": fieldSecret, "azureclientsecret": fieldSecret,
		"expires": fieldExpires, "expiry": fieldExpires, "expiration": fieldExpires, "expiresat": fieldExpires,
		"enddate": fieldExpires, "enddatetime": fieldExpires, "expirydate": fieldExpires,
		"enable": fieldEnabled, "on": fieldEnabled, "active": fieldEnabled,
		"environment": fieldCloud, "azurecloud": fieldCloud, "nationalcloud": fieldCloud,
	}
	got := plain(field)
	if meant, known := other[got]; known {
		return meant
	}
	for _, name := range fieldNames() {
		if distance(got, plain(name)) <= 2 {
			return name
		}
	}
	return ""
}

// distance is how many letters must be put in, taken out or changed to make one word of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

type decoder struct {
	fields     map[string]json.RawMessage
	complaints []string
}

func (d *decoder) complain(format string, args ...any) {
	d.complaints = append(d.complaints, fmt.Sprintf(format, args...))
}

// unknown complains of the fields that are not ours. A field's name is shown where it is close to one of ours; any
// other may be a value in the wrong place.
func (d *decoder) unknown() {
	var strange []string
	for field := range d.fields {
		if !slices.Contains(fieldNames(), field) {
			strange = append(strange, field)
		}
	}
	slices.Sort(strange)
	others := 0
	for _, field := range strange {
		if meant := meaning(field); meant != "" {
			d.complain("%q is not a field: %s is probably meant; rename it", field, meant)
			continue
		}
		others++
	}
	if others > 0 {
		d.complain("it has fields that are not known (%d; their names are not shown, a secret may be among them): expected only %s",
			others, strings.Join(fieldNames(), ", "))
	}
}

// text is a field's text. It complains where the field is there and is no text, is empty, or has spaces around it.
func (d *decoder) text(field, expected string) (value string, ok bool) {
	raw, there := d.fields[field]
	if !there {
		return "", false
	}
	if raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		d.complain("%s is %s: expected %s", field, kindOf(raw), expected)
		return "", false
	}
	switch {
	case value == "":
		d.complain("%s is empty: expected %s", field, expected)
	case strings.TrimSpace(value) != value:
		d.complain("%s has spaces or a line break around it: copy it once more, without them", field)
	default:
		return value, true
	}
	return "", false
}

func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "text"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

func (d *decoder) missing(field, expected string) {
	if _, there := d.fields[field]; there {
		return
	}
	for other := range d.fields {
		if meaning(other) == field && other != field {
			return // complained of as misspelt
		}
	}
	d.complain("%s is missing: expected %s", field, expected)
}

func isGUID(s string) bool {
	return regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(s)
}

func isDomain(s string) bool {
	return regexp.MustCompile(`(?i)^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`).MatchString(s)
}

func (d *decoder) tenant() string {
	const expected = "the Directory (tenant) ID of Microsoft Entra > Overview, such as 0a5b7c1e-3f62-4d0b-9c55-6a1f2e3d4c5b, or a domain of the tenant"
	d.missing(fieldTenant, expected)
	v, ok := d.text(fieldTenant, expected)
	if ok && !isGUID(v) && !isDomain(v) {
		d.complain("%s is neither an id nor a domain: expected %s", fieldTenant, expected)
	}
	return v
}

func (d *decoder) client() string {
	const expected = "the Application (client) ID of the app registration, such as 1b6c8d2f-4073-4e1c-8d66-7b203f4e5d6c"
	d.missing(fieldClient, expected)
	v, ok := d.text(fieldClient, expected)
	if ok && !isGUID(v) {
		d.complain("%s is not an id: expected %s", fieldClient, expected)
	}
	return v
}

func (d *decoder) secret() redact.Secret {
	v, ok := d.text(fieldSecret, "the Value of a client secret of the app registration; leave the field out for keyless sign-in")
	if ok && isGUID(v) {
		d.complain("%s looks like a Secret ID: expected the secret's Value, which Entra shows once, when the secret is made; make a new one",
			fieldSecret)
	}
	return redact.New(v)
}

// expires takes a date or a time. A date means its beginning in UTC, so that a warning comes early rather than late.
func (d *decoder) expires() time.Time {
	const expected = "the day on which the client secret expires, such as 2027-11-23, or a time such as 2027-11-23T09:00:00Z"
	v, ok := d.text(fieldExpires, expected)
	if !ok {
		return time.Time{}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC()
		}
	}
	d.complain("%s is not a date: expected %s", fieldExpires, expected)
	return time.Time{}
}

func (d *decoder) enabled() bool {
	raw, there := d.fields[fieldEnabled]
	if !there {
		return true
	}
	var on bool
	if raw[0] == 'n' || json.Unmarshal(raw, &on) != nil {
		d.complain("%s is %s: expected true or false, without quotes", fieldEnabled, kindOf(raw))
	}
	return on
}

func (d *decoder) cloud() Cloud {
	expected := strings.Join(clouds(), ", ") + "; leave it out for global"
	if _, there := d.fields[fieldCloud]; !there {
		return Global
	}
	v, ok := d.text(fieldCloud, expected)
	if ok && !slices.Contains(clouds(), v) {
		d.complain("%s is not known: expected %s", fieldCloud, expected)
	}
	return Cloud(v)
}
