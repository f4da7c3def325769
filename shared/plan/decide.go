package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/member"
)

// subject is one person in one slot, with what follows from the input.
type subject struct {
	now  time.Time
	who  Person
	item assignment.Assignment // the zero value but for its key, where the ledger has none

	claims  []Profile // the profiles that entitle the person, the one that counts first
	frozen  bool      // a profile that may entitle the person was not read: take nothing away
	asked   bool      // at least one profile of the slot gave an answer
	present bool      // at least one profile of the slot answered "in"
	idle    bool      // nobody but frozen profiles, or profiles no longer in force, entitles the person
}

func decide(in Input, who Person, slot string) (Action, bool) {
	s := newSubject(in, who, slot)
	after := s.learnt()
	switch {
	case who.Exists == member.Unknown || !s.asked || (s.frozen && !s.present):
		return s.upkeep(after)
	case s.present && who.Exists == member.In:
		return s.member(after)
	default:
		return s.absent(after)
	}
}

func newSubject(in Input, who Person, slot string) subject {
	item, known := who.Holdings[slot]
	if !known {
		item.Key = assignment.Key{Person: who.ID, Slot: slot}
	}
	s := subject{now: in.Now, who: who, item: item, idle: len(item.Entitled) > 0}
	for id, standing := range who.Standings {
		s.consider(in, id, standing)
	}
	for _, id := range item.Entitled {
		if _, considered := who.Standings[id]; !considered {
			s.consider(in, id, member.Unknown)
		}
	}
	slices.SortFunc(s.claims, func(a, b Profile) int {
		return cmp.Or(cmp.Compare(b.Rule.Priority, a.Rule.Priority), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	return s
}

// consider weighs one profile's answer. What the ledger believes stands where there is no answer; and a profile that
// may entitle the person, but cannot be asked or is no longer in force, freezes what they have.
func (s *subject) consider(in Input, id string, standing member.Standing) {
	believed := slices.Contains(s.item.Entitled, id)
	p, inForce := in.Profiles[id]
	s.idle = s.idle && (!believed || !inForce || p.Frozen.Code != "")
	if !inForce {
		s.frozen = s.frozen || believed
		return
	}
	if p.Rule.Slot != s.item.Slot {
		return
	}
	if p.Frozen.Code != "" {
		standing = member.Unknown
	}
	s.asked = s.asked || standing != member.Unknown
	s.present = s.present || standing == member.In
	s.frozen = s.frozen || (standing == member.Unknown && believed)
	if standing == member.In || (standing == member.Unknown && believed) {
		s.claims = append(s.claims, p)
	}
}

// learnt is the item with what Entra says of the person now, and with the worker's outcome taken note of.
func (s subject) learnt() assignment.Assignment {
	after := s.item
	if s.who.Exists == member.In {
		after.UPN, after.DisplayName = s.who.Facts.UPN, s.who.Facts.DisplayName
	}
	if after.Fresh {
		after.Fresh = false
		after.Due = after.NextTry
	}
	return after
}

// upkeep looks after what is under way, for somebody of whom nothing new is known.
func (s subject) upkeep(after assignment.Assignment) (Action, bool) {
	if after.Status == assignment.Provisioning && s.due(after) {
		return s.act(Check, after.LookAgain(s.now.Add(CheckAgain)), after.Reason)
	}
	if s.item.Revision == 0 { // nothing known of somebody new
		return Action{}, false
	}
	if s.idle && s.due(after) { // else they would be looked at with every tick, before those who can be helped
		after.Due = s.now.Add(FrozenAgain)
	}
	return s.act(Record, after, after.Reason)
}

// member decides for somebody who is in the group of at least one profile of the slot.
func (s subject) member(after assignment.Assignment) (Action, bool) {
	p := s.claims[0]
	if !after.Absent.IsZero() && after.Intent == assignment.NoIntent {
		after.Due = after.NextTry // the second look is not needed any more
	}
	after.Absent, after.Left = time.Time{}, time.Time{}
	after.Entitled = ids(s.claims)
	if p.Frozen.Code != "" {
		return s.upkeep(after)
	}
	if code, why := p.Rule.Eligible(s.who.Facts); code != "" {
		after.Profile = p.Rule.ID
		return s.ineligible(after, assignment.Reason{Code: code, Text: why})
	}
	if after.Status != assignment.Requested { // a request stays under the profile that it was made for
		after.Profile = p.Rule.ID
	}
	switch after.Status {
	case assignment.Requested:
		return s.requested(after, p)
	case assignment.Provisioning:
		if s.due(after) {
			return s.act(Check, after.LookAgain(s.now.Add(CheckAgain)), after.Reason)
		}
	case assignment.Failed, assignment.WaitingForDirectory, assignment.Missing, assignment.Foreign:
		if s.mayTryAgain(after, p) && after.WorkSpace != "" {
			return s.act(Check, after.LookAgain(s.now.Add(CheckAgain)), after.Reason)
		}
		if s.mayTryAgain(after, p) {
			return s.create(after, p)
		}
	case "", assignment.NotEntitled, assignment.Held, assignment.Deprovisioned:
		return s.create(after, p)
	case assignment.Provisioned:
		after.Reason = s.drift(after, p)
	}
	return s.act(Record, after, after.Reason)
}

// requested looks after a request that has no outcome yet.
func (s subject) requested(after assignment.Assignment, p Profile) (Action, bool) {
	asItWas := after.Profile == p.Rule.ID && after.ProfileVersion == p.Rule.Version()
	switch {
	case after.Intent == assignment.Check: // withdrawn once: what became of it is still being asked
		return s.settle(after)
	case !s.due(after):
		return s.act(Record, after, after.Reason)
	case asItWas:
		return s.act(Resend, after.SendAgain(s.now.Add(ResendAfter)), after.Reason)
	case s.inTheWorkersHands(after): // another profile or version counts by now: first find out what there is
		return s.settle(after)
	}
	return s.create(after, p)
}

func (s subject) create(after assignment.Assignment, p Profile) (Action, bool) {
	name, err := p.Rule.UserNameOf(s.who.Facts)
	if err != nil { // Eligible has asked the same before
		return s.ineligible(after, assignment.Reason{Code: "NoUserName", Text: err.Error()})
	}
	after.UserName, after.Lane = name, p.Rule.Lane()
	after.Profile, after.ProfileVersion = p.Rule.ID, p.Rule.Version()
	after = after.Request(s.now, s.now.Add(ResendAfter))
	return s.act(Create, after, assignment.Reason{Code: "Member", Text: "A member of the group of profile " + p.Rule.ID + "."})
}

// ineligible is a member who may not have a desktop. One that exists, or is being made, stays.
func (s subject) ineligible(after assignment.Assignment, why assignment.Reason) (Action, bool) {
	switch {
	case after.HoldsDesktop():
		why.Text += " The desktop is kept."
		after.Reason = why
		if after.Status == assignment.Provisioning && s.due(after) {
			return s.act(Check, after.LookAgain(s.now.Add(CheckAgain)), why)
		}
		return s.act(Record, after, why)
	case after.Status == assignment.Foreign:
		return s.act(Record, after, after.Reason)
	case s.inTheWorkersHands(after):
		return s.settle(after)
	}
	verb := Record
	if after.Status == assignment.Requested {
		verb = Withdraw
	}
	return s.act(verb, after.Dismiss(s.now, why), why)
}

// absent decides for somebody who is in no group of the slot, or whose account is gone.
func (s subject) absent(after assignment.Assignment) (Action, bool) {
	if s.item.Revision == 0 {
		return Action{}, false
	}
	if after.Status == assignment.NotEntitled && len(after.Entitled) == 0 {
		return s.act(Record, after, after.Reason)
	}
	why := assignment.Reason{Code: "Left", Text: "No longer a member of any group that entitles."}
	if s.who.Exists == member.Out {
		why = assignment.Reason{Code: "Deleted", Text: "The account is deleted in Entra."}
	}
	if after.Left.IsZero() && (after.Absent.IsZero() || s.now.Before(after.Absent.Add(SecondLook))) {
		return s.firstNo(after)
	}
	after.Entitled = nil
	if after.Left.IsZero() {
		after.Left = s.now
	}
	switch {
	case after.HoldsDesktop():
		why.Text += " The desktop is kept: this version of rollcall never takes one away."
		after.Reason = why
		if after.Status == assignment.Provisioning && s.due(after) {
			return s.act(Check, after.LookAgain(s.now.Add(CheckAgain)), why)
		}
		if after.Status != assignment.Provisioning {
			after.Due = time.Time{}
		}
		return s.act(Record, after, why)
	case s.inTheWorkersHands(after):
		return s.settle(after)
	}
	after.Profile = "" // under no profile any more: no roll asks after them again
	return s.act(Withdraw, after.Dismiss(s.now, why), why)
}

// firstNo notes the first "no" of a series; a desktop that is being made is looked after meanwhile.
func (s subject) firstNo(after assignment.Assignment) (Action, bool) {
	if after.Absent.IsZero() {
		after.Absent = s.now
	}
	why := assignment.Reason{Code: "SecondLook", Text: "Not found in the group; looking once more before it counts."}
	if after.Status == assignment.Provisioning && s.due(after) {
		return s.act(Check, after.LookAgain(s.now.Add(CheckAgain)), why)
	}
	if after.Due.IsZero() || after.Due.After(after.Absent.Add(SecondLook)) || !after.Due.After(s.now) {
		after.Due = after.Absent.Add(SecondLook)
	}
	return s.act(Record, after, why)
}

// inTheWorkersHands reports whether a create may have been called already, with its outcome not recorded.
func (s subject) inTheWorkersHands(a assignment.Assignment) bool {
	return a.Status == assignment.Requested && !a.Claimed.IsZero()
}

// settle asks the worker what became of a create that nobody wants any more but that may have been called.
func (s subject) settle(after assignment.Assignment) (Action, bool) {
	if !s.due(after) {
		return s.act(Record, after, after.Reason)
	}
	return s.act(Check, after.LookAgain(s.now.Add(CheckAgain)), assignment.Reason{
		Code: "Settling", Text: "Asking whether a desktop was made before the request was withdrawn.",
	})
}

// drift says how an existing desktop differs from what Entra and the profile say now, in what rollcall can know
// without asking WorkSpaces: the user name.
func (s subject) drift(a assignment.Assignment, p Profile) assignment.Reason {
	if name, err := p.Rule.UserNameOf(s.who.Facts); err == nil && a.UserName != "" && name != a.UserName {
		return assignment.Reason{
			Code: "Renamed",
			Text: fmt.Sprintf("The user name in Entra is now %s; the desktop stays with %s.", name, a.UserName),
		}
	}
	return assignment.Reason{}
}

func (s subject) due(a assignment.Assignment) bool {
	return !a.Due.IsZero() && !a.Due.After(s.now)
}

// mayTryAgain reports whether a create that failed may be tried once more: it has served its back-off, or another
// version of the profile is in force, or somebody asked for it by hand. What was given up, or is not ours, has no
// next try of its own.
func (s subject) mayTryAgain(a assignment.Assignment, p Profile) bool {
	if a.Intent != assignment.NoIntent && !s.due(a) { // an answer is awaited
		return false
	}
	served := !a.NextTry.IsZero() && !a.NextTry.After(s.now)
	return served || s.who.ByHand || a.ProfileVersion != p.Rule.Version()
}

func (s subject) act(verb Verb, after assignment.Assignment, why assignment.Reason) (Action, bool) {
	return Action{Verb: verb, Profile: cmp.Or(after.Profile, s.item.Profile), Reason: why, Before: s.item, After: after}, true
}

func ids(profiles []Profile) []string {
	out := make([]string, len(profiles))
	for i, p := range profiles {
		out[i] = p.Rule.ID
	}
	return out
}
