package graph

import (
	"slices"
	"time"
)

// What a user, a group or another object shows under which name. null is nil.

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// userDefaults are returned without $select. https://learn.microsoft.com/graph/api/user-get
func userDefaults() []string {
	return []string{
		"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone",
		"officeLocation", "preferredLanguage", "surname", "userPrincipalName", "id",
	}
}

// userNames are all properties in the main directory store that the emulator knows.
func userNames() []string {
	return []string{
		"id", "accountEnabled", "assignedLicenses", "businessPhones", "city", "companyName", "country",
		"createdDateTime", "deletedDateTime", "department", "displayName", "employeeId",
		"employeeLeaveDateTime", "employeeType", "givenName", "jobTitle", "mail", "mailNickname", "mobilePhone",
		"officeLocation", "onPremisesDistinguishedName", "onPremisesDomainName", "onPremisesExtensionAttributes",
		"onPremisesImmutableId", "onPremisesSamAccountName", "onPremisesSecurityIdentifier",
		"onPremisesSyncEnabled", "onPremisesUserPrincipalName", "otherMails", "postalCode", "preferredLanguage",
		"proxyAddresses", "securityIdentifier", "state", "streetAddress", "surname", "usageLocation",
		"userPrincipalName", "userType",
	}
}

// elsewhere are user properties that do not lie in the main store: 501 in a list or delta.
// https://learn.microsoft.com/graph/delta-query-users
func elsewhere(name string) bool {
	return slices.Contains([]string{
		"aboutMe", "birthday", "hireDate", "interests", "mailboxSettings", "mySite",
		"pastProjects", "preferredName", "responsibilities", "schools", "skills",
	}, name)
}

func userProperty(u *userState, name string) (any, bool) {
	switch name {
	case "id":
		return u.ID, true
	case "userPrincipalName":
		return orNull(u.UserPrincipalName), true
	case "displayName":
		return orNull(u.DisplayName), true
	case "givenName":
		return orNull(u.GivenName), true
	case "surname":
		return orNull(u.Surname), true
	case "mail":
		return orNull(u.Mail), true
	case "mailNickname":
		return orNull(u.MailNickname), true
	case "jobTitle":
		return orNull(u.JobTitle), true
	case "department":
		return orNull(u.Department), true
	case "preferredLanguage":
		return orNull(u.PreferredLanguage), true
	case "userType":
		return orNull(u.UserType), true
	case "accountEnabled":
		return !u.Disabled, true
	case "employeeLeaveDateTime":
		return timeOrNull(u.EmployeeLeaveDateTime), true
	case "createdDateTime":
		return timeOrNull(u.Created), true
	case "deletedDateTime":
		return timeOrNull(u.deleted), true
	}
	if v, ok := onPremisesProperty(&u.OnPremises, name); ok {
		return v, true
	}
	return more(u.More, name, userNames())
}

func onPremisesProperty(p *OnPremises, name string) (any, bool) {
	switch name {
	case "onPremisesSyncEnabled":
		if !p.Synced {
			return nil, true
		}
		return true, true
	case "onPremisesSamAccountName":
		return orNull(p.SAMAccountName), true
	case "onPremisesDomainName":
		return orNull(p.DomainName), true
	case "onPremisesUserPrincipalName":
		return orNull(p.UPN), true
	case "onPremisesSecurityIdentifier":
		return orNull(p.SID), true
	case "onPremisesImmutableId":
		return orNull(p.ImmutableID), true
	}
	return nil, false
}

// more is a property without a field of its own; collections read as empty, not as null.
func more(values map[string]any, name string, known []string) (any, bool) {
	if v, ok := values[name]; ok {
		return v, true
	}
	switch name {
	case "businessPhones", "assignedLicenses", "otherMails", "proxyAddresses":
		return []any{}, true
	}
	return nil, slices.Contains(known, name)
}

// groupNames are all properties of a group that the emulator knows; all but the last are returned by default.
func groupNames() []string {
	return []string{
		"id", "deletedDateTime", "classification", "createdDateTime", "description", "displayName",
		"expirationDateTime", "groupTypes", "isAssignableToRole", "mail", "mailEnabled", "mailNickname",
		"membershipRule", "membershipRuleProcessingState", "onPremisesDomainName",
		"onPremisesLastSyncDateTime", "onPremisesSamAccountName", "onPremisesSecurityIdentifier",
		"onPremisesSyncEnabled", "preferredLanguage", "proxyAddresses", "renewedDateTime", "securityEnabled",
		"securityIdentifier", "theme", "visibility",
	}
}

func groupProperty(g *groupState, name string) (any, bool) {
	switch name {
	case "id":
		return g.ID, true
	case "displayName":
		return g.DisplayName, true
	case "description":
		return orNull(g.Description), true
	case "mail":
		return orNull(g.Mail), true
	case "mailNickname":
		return orNull(g.MailNickname), true
	case "mailEnabled":
		return g.MailEnabled, true
	case "securityEnabled":
		return g.SecurityEnabled, true
	case "visibility":
		return orNull(g.Visibility), true
	case "groupTypes":
		return append([]string{}, g.Types...), true
	case "membershipRule":
		return orNull(g.MembershipRule), true
	case "membershipRuleProcessingState":
		if g.MembershipRule == "" {
			return nil, true
		}
		return "On", true
	case "onPremisesSyncEnabled":
		if !g.Synced {
			return nil, true
		}
		return true, true
	case "createdDateTime":
		return timeOrNull(g.Created), true
	case "deletedDateTime":
		return timeOrNull(g.deleted), true
	}
	return more(g.More, name, groupNames())
}
