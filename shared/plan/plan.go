// Package plan decides what rollcall will do, what it will not do, and why, before anything is done.
//
// Make is a pure function of values: profiles, people and what the ledger holds go in, a sorted Plan comes out. It
// has no clock, no context, no log and no SDK, so a dry run, an explanation and a simulation are this same code
// with its result not applied. Safety is a stage here, not a branch somewhere else: what is held back is output,
// with its reason.
//
// It refuses to conclude anything from what is not known: a person whose membership or account was not read is
// left exactly as they are.
package plan

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/member"
	"rollcall/shared/profile"
)

// Input is all that a plan is made from.
type Input struct {
	Now  time.Time
	Stop profile.Stop // the switch for everything
	// Profiles are those in force, by id. One that may not act now has Frozen set.
	Profiles map[string]Profile
	People   []Person
}

// Profile is an AP profile in force and what a plan must know about it.
type Profile struct {
	Rule    profile.Profile
	Rollout profile.Rollout
	Stop    profile.Stop
	// Frozen says why nobody may be judged by this profile now (paused, unreadable, group gone). Empty: it acts.
	Frozen assignment.Reason
	// InFlight is how many creates of the profile are under way, in the whole ledger.
	InFlight int
	// NobodyWaits says that the ledger was asked, and nobody of the profile is in status Held.
	NobodyWaits bool
}

// Person is one person in scope.
type Person struct {
	ID string
	// Exists says whether Entra has the account: Out is deleted, Unknown was not read.
	Exists member.Standing
	Facts  member.Person // meaningful only if Exists is In
	// Standings are the answers for the profiles that were asked, by profile id.
	Standings map[string]member.Standing
	// Holdings are the ledger's items of the person, by slot.
	Holdings map[string]assignment.Assignment
	// ByHand says that somebody asked for this person: what was given up is tried once more.
	ByHand bool
}

// Verb is what an action does.
type Verb string

// The verbs. Create, Resend and Check send an order to the worker; the others only write the ledger.
const (
	Create   Verb = "create"   // ask for a desktop
	Resend   Verb = "resend"   // the same attempt once more: its order may have been lost
	Check    Verb = "check"    // look how the desktop is getting on
	Hold     Verb = "hold"     // would be a create; a safety stage holds it back
	Withdraw Verb = "withdraw" // nothing was made yet, and nothing is wanted any more
	Record   Verb = "record"   // write down what was learnt
)

// Sends reports whether the action puts an order on the queue.
func (v Verb) Sends() bool { return v == Create || v == Resend || v == Check }

// Action is one change of one assignment: the item before, and the item after.
type Action struct {
	Verb    Verb                  `json:"verb"`
	Profile string                `json:"profile,omitempty"`
	Reason  assignment.Reason     `json:"reason,omitzero"`
	Before  assignment.Assignment `json:"before"`
	After   assignment.Assignment `json:"after"`
}

// Held is somebody whom a safety stage holds back, whether or not that is new.
type Held struct {
	assignment.Key
	Profile string            `json:"profile"`
	Reason  assignment.Reason `json:"reason"`
}

// Plan is what will be done and what will not. Actions and Held are sorted by person and slot.
type Plan struct {
	Actions []Action `json:"actions"`
	Held    []Held   `json:"held"`
	// Rollouts are the rollouts that change, by profile id; they are written before the actions.
	Rollouts map[string]profile.Rollout `json:"rollouts,omitempty"`
}

// Times of the plan's own. Each is a wait for the next look, not a deadline of a service.
const (
	SecondLook  = 10 * time.Minute // a "no" counts when a look this much later says the same
	ResendAfter = 15 * time.Minute // an order that nobody took up is sent again
	CheckAgain  = 10 * time.Minute // a check that nobody answered is sent again
	FrozenAgain = time.Hour        // somebody whom only frozen profiles concern is looked at again
)

// Make plans. Its result depends on the content of in, not on the order of in.People.
//
// What is decided for each person and slot (see decide), then what the safety stages let through (see stages):
//
//	member of a profile's group?  eligible  the ledger says                         then
//	----------------------------  --------  --------------------------------------  -----------------------------------
//	yes                           yes       nothing, NotEntitled, Held, Deprovisioned  create
//	yes                           yes       Failed, WaitingForDirectory, Missing    create, when its next try has come
//	yes                           yes       Failed, with a desktop that is there    check, when its next try has come
//	yes                           yes       given up, Foreign                       create, for a new version or by hand
//	yes                           yes       Requested                               resend, when due
//	yes                           yes       Provisioning                            check, when due
//	yes                           yes       Provisioned, Foreign, …                 nothing
//	yes                           no        nothing made yet                        NotEntitled, with the reason
//	yes                           no        a desktop, or one being made            keep it, with the reason
//	no, for the first time        -         anything                                look again in 10 minutes
//	no, for the second time       -         nothing made yet                        withdraw
//	no, for the second time       -         a desktop                               keep it (removal is off), with the reason
//	not known                     -         Provisioning                            check, when due
//	not known                     -         anything else                           nothing
func Make(in Input) Plan {
	people := slices.Clone(in.People)
	slices.SortFunc(people, func(a, b Person) int { return cmp.Compare(a.ID, b.ID) })

	p := Plan{Rollouts: map[string]profile.Rollout{}, Actions: make([]Action, 0, len(people))}
	for _, who := range people {
		for _, slot := range slotsOf(in, who) {
			if action, any := decide(in, who, slot); any {
				p.Actions = append(p.Actions, action)
			}
		}
	}
	for _, stage := range stages {
		stage(in, &p)
	}
	p.finish(in)
	return p
}

// slotsOf are the slots in which something may have to be decided for a person, sorted.
func slotsOf(in Input, who Person) []string {
	slots := map[string]bool{}
	for slot := range who.Holdings {
		slots[slot] = true
	}
	for id, standing := range who.Standings {
		if p, ok := in.Profiles[id]; ok && standing == member.In {
			slots[p.Rule.Slot] = true
		}
	}
	return slices.Sorted(maps.Keys(slots))
}

// finish drops the actions that change nothing and send nothing, and gives the held back their reason in order.
func (p *Plan) finish(in Input) {
	p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool {
		return !a.Verb.Sends() && same(a.Before, a.After)
	})
	for id, rollout := range p.Rollouts {
		if rollout == in.Profiles[id].Rollout {
			delete(p.Rollouts, id)
		}
	}
	slices.SortFunc(p.Held, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Slot, b.Slot))
	})
}

// same reports whether two states of an item are equal in everything that the ledger keeps.
func same(a, b assignment.Assignment) bool { return reflect.DeepEqual(a, b) }
