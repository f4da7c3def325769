package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"rollcall/shared/assignment"
	"rollcall/shared/fault"
	"rollcall/shared/member"
)

// source is a group as one or several profiles read it: they share the roll.
type source struct {
	group  string
	nested bool
}

// roll is a roll under way: where it stands, and who has been seen.
type roll struct {
	name     string
	profiles []string
	at       member.Position
	seen     map[id]bool // and who was asked about at the end of the roll
}

// id is an object id in 16 bytes: a million of them must fit.
type id [16]byte

// pack turns an object id, which is a GUID, into bytes; anything else is hashed.
func pack(object string) (out id) {
	digits := strings.ReplaceAll(object, "-", "")
	if len(digits) == 2*len(out) {
		if _, err := hex.Decode(out[:], []byte(digits)); err == nil {
			return out
		}
	}
	sum := sha256.Sum256([]byte(object))
	copy(out[:], sum[:])
	return out
}

// rollAll takes the rolls that are due. Each page is a round of its own, so a group of any size takes the memory of a
// page and of the ids seen so far; what is out of time goes on at the next tick.
func (p *Planner) rollAll(ctx context.Context, t *tick) error {
	for _, from := range t.w.sources(t.s.rolls) {
		profiles := t.w.profilesOf(from, t.s.rolls)
		if len(profiles) == 0 { // frozen meanwhile
			continue
		}
		if err := p.roll(ctx, t, from, profiles); err != nil || t.unfinished {
			return err
		}
	}
	return nil
}

// sources are the groups to roll, those of the higher priority first: so somebody new whom two of them entitle gets
// the desktop of the profile that counts.
func (w *world) sources(rolls map[string]string) []source {
	var out []source
	for _, id := range w.byPriority() {
		if _, due := rolls[id]; !due {
			continue
		}
		if from := w.sourceOf(id); !slices.Contains(out, from) {
			out = append(out, from)
		}
	}
	return out
}

func (w *world) sourceOf(id string) source {
	return source{group: w.groupOf(id), nested: !w.inForce[id].Rule.DirectOnly}
}

// profilesOf are the acting profiles of a source that are to be rolled, sorted.
func (w *world) profilesOf(from source, rolls map[string]string) []string {
	var out []string
	for _, id := range w.acting() {
		if _, due := rolls[id]; due && w.sourceOf(id) == from {
			out = append(out, id)
		}
	}
	return out
}

// roll takes one roll, or goes on with one. Its profiles are in force as they are now for all of it: one that was
// edited or approved since it began is rolled from the beginning.
func (p *Planner) roll(ctx context.Context, t *tick, from source, profiles []string) error {
	r, err := p.resume(ctx, t, from, profiles)
	if err != nil {
		return err
	}
	for !r.at.Done {
		if p.outOfTime(ctx) {
			return p.putOff(ctx, t, r)
		}
		page, err := t.roster.NextPage(ctx, r.at)
		switch {
		case fault.Of(err).Passing() && r.at.Pages > 0:
			t.w.problem(profiles[0], "Roll", fmt.Sprintf("The roll of its group goes on with the next tick: %v.", err))
			return p.putOff(ctx, t, r)
		case err != nil:
			return p.spoil(ctx, t, r, err)
		}
		if err := p.round(ctx, t, t.onPage(page, profiles), nil); err != nil {
			return err
		}
		if t.unfinished { // the page is read again: whoever was written is found as written
			return p.putOff(ctx, t, r)
		}
		for i := range page.People {
			r.seen[pack(page.People[i].ID)] = true
		}
		r.at = page.Next
	}
	if before := t.w.standings[profiles[0]].Members; r.at.People == 0 && before > 0 {
		return p.refuse(ctx, t, r, "Suspicious", emptied(before))
	}
	return p.finishRoll(ctx, t, r)
}

// onPage is what a page says: everyone on it is in the group. Who was looked at singly in this tick, with the same
// answer, is no news.
func (t *tick) onPage(page member.Page, profiles []string) []subject {
	out := make([]subject, 0, len(page.People))
	for i := range page.People {
		if t.known(page.People[i].ID, profiles) {
			continue
		}
		standings := make(map[string]member.Standing, len(profiles))
		for _, id := range profiles {
			standings[id] = member.In
		}
		out = append(out, subject{id: page.People[i].ID, exists: member.In, facts: page.People[i], standings: standings})
	}
	return out
}

// known reports whether somebody was found to be in all of these profiles' groups already.
func (t *tick) known(person string, profiles []string) bool {
	standings, asked := t.looked[person]
	return asked && !slices.ContainsFunc(profiles, func(id string) bool { return standings[id] != member.In })
}

// spoil is a roll that cannot be read.
func (p *Planner) spoil(ctx context.Context, t *tick, r roll, cause error) error {
	code := "Unreadable"
	if fault.Is(cause, fault.NotFound) {
		code = "GroupGone"
	}
	return p.refuse(ctx, t, r, code, fmt.Sprintf("Nobody is judged by this profile: %v.", cause))
}

// refuse does not believe a roll: its profiles are frozen for this tick, and it begins anew with the next.
func (p *Planner) refuse(ctx context.Context, t *tick, r roll, code, why string) error {
	for _, id := range r.profiles {
		t.w.freeze(id, code, why)
	}
	return p.dropRoll(ctx, t, r)
}

// finishRoll looks at whom the ledger holds under the profiles but the roll has not seen, each of them asked about
// singly; then it notes that the group was read in full and that everything found was written.
func (p *Planner) finishRoll(ctx context.Context, t *tick, r roll) error {
	// Who was met twice is one member; who was asked about before the roll was put off is none.
	members := min(len(r.seen), r.at.People)
	for _, profileID := range r.profiles {
		absent, err := p.unseen(ctx, profileID, r)
		if err != nil {
			return err
		}
		if len(absent) > 0 {
			if why := p.disagrees(ctx, t, r); why != "" {
				return p.refuse(ctx, t, r, "Suspicious", why)
			}
		}
		for chunk := range slices.Chunk(absent, member.MembersPage) {
			if p.outOfTime(ctx) {
				return p.putOff(ctx, t, r)
			}
			if err := p.missing(ctx, t, chunk); err != nil {
				return err
			}
			if t.unfinished {
				return p.putOff(ctx, t, r)
			}
			for _, k := range chunk { // a roll that is put off goes on behind them
				r.seen[pack(k.Person)] = true
			}
		}
	}
	if t.partial {
		return nil
	}
	for _, id := range r.profiles {
		if t.w.unread[id] {
			continue
		}
		if err := p.noteRoll(ctx, t, r, id, members); err != nil {
			return err
		}
	}
	return p.dropRoll(ctx, t, r)
}

// missing asks about people whom a roll has not met. Those who are known to have left, and keep a desktop, are left to
// the feeds: should they come back, a page of the roll says so too.
func (p *Planner) missing(ctx context.Context, t *tick, keys []assignment.Key) error {
	items, err := p.Assignments.Load(ctx, keys)
	if err != nil {
		return fmt.Errorf("loading %d items of the ledger: %w", len(keys), err)
	}
	ask := slices.DeleteFunc(slices.Clone(keys), func(k assignment.Key) bool { return !items[k].Left.IsZero() })
	if len(ask) == 0 {
		return nil
	}
	return p.singly(ctx, t, ask)
}

// unseen are the keys of a profile's people whom the roll has not met.
func (p *Planner) unseen(ctx context.Context, profileID string, r roll) ([]assignment.Key, error) {
	keys, err := p.Assignments.OfProfile(ctx, profileID, "", 0)
	if err != nil {
		return nil, fmt.Errorf("finding the people of profile %s: %w", profileID, err)
	}
	return slices.DeleteFunc(keys, func(k assignment.Key) bool { return r.seen[pack(k.Person)] }), nil
}

// disagrees says why a roll in which people are missing is not believed: Entra counts clearly more members than it
// has shown. The count comes from an index that lags, so a few are let pass; that it cannot be read says nothing.
func (p *Planner) disagrees(ctx context.Context, t *tick, r roll) string {
	count, err := t.roster.Count(ctx, r.at.Group)
	if err != nil {
		p.Log.WarnContext(ctx, "cross-checking a roll", "group", r.at.Group, "error", err)
		return ""
	}
	if count <= r.at.Direct+max(5, r.at.Direct/20) {
		return ""
	}
	return fmt.Sprintf("Entra counts %d members in the group but listed only %d. Everyone stays as they are until the two agree.", count, r.at.Direct)
}

func (p *Planner) noteRoll(ctx context.Context, t *tick, r roll, id string, members int) error {
	if t.dry {
		return nil
	}
	standing := t.w.standings[id]
	tree := slices.Sorted(slices.Values(r.at.Walked))
	standing.NextRoll = t.w.now.Add(dailyRoll)
	// What asked for this roll may not have reached the replica that answered it, and a feed that begins anew says
	// nothing of what happened before: the roll is taken again, once.
	if standing.RollDue != "" || !slices.Equal(tree, standing.Tree) {
		standing.NextRoll = t.w.now.Add(secondRoll)
	}
	standing.Rolled, standing.RollDue, standing.Members, standing.Tree = t.w.now, "", members, tree
	return p.saveStanding(ctx, &t.w, standing, "noting the roll")
}

// resume goes on with a roll that an earlier tick had no time to finish, or begins one.
func (p *Planner) resume(ctx context.Context, t *tick, from source, profiles []string) (roll, error) {
	r := roll{
		name: rollName(t.w, from, profiles), profiles: profiles, seen: map[id]bool{},
		at: member.Position{Group: from.group, Nested: from.nested},
	}
	if t.dry {
		return r, nil
	}
	at, seen, err := p.Rolls.LoadRoll(ctx, r.name)
	switch {
	case fault.Is(err, fault.NotFound):
		return r, nil
	case err != nil:
		return r, fmt.Errorf("finding where the roll of %s stands: %w", from.group, err)
	}
	r.at = at
	for packed := range slices.Chunk(seen, len(id{})) {
		r.seen[id(packed)] = true
	}
	return r, nil
}

// rollName is the same for the same group and the same versions of the same profiles only.
func rollName(w world, from source, profiles []string) string {
	what := fmt.Sprint(from)
	for _, id := range profiles {
		what += " " + id + " " + w.inForce[id].Rule.Version()
	}
	sum := sha256.Sum256([]byte(what))
	return hex.EncodeToString(sum[:8])
}

// putOff leaves the rest of a roll for the next tick.
func (p *Planner) putOff(ctx context.Context, t *tick, r roll) error {
	t.unfinished = true
	if t.dry || r.at.Pages == 0 {
		return nil
	}
	seen := make([]byte, 0, len(r.seen)*len(id{}))
	for packed := range r.seen {
		seen = append(seen, packed[:]...)
	}
	if err := p.Rolls.SaveRoll(ctx, r.name, r.at, seen); err != nil {
		return fmt.Errorf("putting off the roll of %s: %w", r.at.Group, err)
	}
	return nil
}

func (p *Planner) dropRoll(ctx context.Context, t *tick, r roll) error {
	if t.dry || r.at.Pages == 0 {
		return nil
	}
	if err := p.Rolls.DropRoll(ctx, r.name); err != nil {
		return fmt.Errorf("putting away the roll of %s: %w", r.at.Group, err)
	}
	return nil
}
