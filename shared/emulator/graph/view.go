package graph

import "time"

// kindOfRead is which replica answers.
type kindOfRead int

const (
	readLookup kindOfRead = iota
	readMembers
	readCheck
	readIndex
	readDelta
	kindsOfRead
)

// view is the directory as one read sees it: as of a number that may be behind the present.
type view struct {
	*Tenant
	seq      int64
	deleted  bool // soft-deleted members count as there
	services bool // service principals are listed
}

// view is what a read of a kind sees. The tenant's lock is held.
func (c *call) view(kind kindOfRead) view {
	lags := [kindsOfRead]time.Duration{
		readLookup: c.b.Lag.Lookup, readMembers: c.b.Lag.Members,
		readCheck: c.b.Lag.Check, readIndex: c.b.Lag.Index, readDelta: c.b.Lag.Delta,
	}
	lag := lags[kind]
	if c.b.Uneven && lag > 0 && c.e.turns[kind].Add(1)%2 == 1 {
		lag = 0
	}
	t := c.e.Tenant
	return view{Tenant: t, seq: t.asOf(lag), deleted: c.b.SoftDeletedMembers, services: c.b.ServicePrincipals || c.version == "beta"}
}

// findGroup is a group that is there.
func (v view) findGroup(id string) (*groupState, bool) {
	g, ok := v.groups[id]
	if !ok {
		return nil, false
	}
	s, ok := g.states.at(v.seq)
	return &s, ok && s.life == live
}

// findUser is a user who is there, by id or user principal name.
func (v view) findUser(idOrName string) (*userState, bool) {
	id := idOrName
	if !isID(id) {
		var ok bool
		if id, ok = v.lookUPN(idOrName); !ok {
			return nil, false
		}
	}
	u, ok := v.user(id, v.seq)
	if !ok || u.life != live || !isID(idOrName) && !equalNames(u.UserPrincipalName, idOrName) {
		return nil, false
	}
	return &u, true
}

// listed is the kind of a member as lists show it, or empty where they do not show it.
func (v view) listed(id string) Kind {
	kind := v.kindOf(id)
	switch l := v.lifeOf(id, v.seq); {
	case l == purged, l == softDeleted && !v.deleted, kind == ServicePrincipal && !v.services:
		return ""
	}
	return kind
}
