package lane

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/shared/assignment"
	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// unseenFor is how long an accepted desktop is counted against its subnets: until then the number of free
// addresses may not show it. A desktop takes up to 40 minutes to be made.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/launch-workspaces-tutorials.html
const unseenFor = 40 * time.Minute

// places counts the room of directories. Two directories may share a subnet, so room is counted by subnet; how the
// service spreads desktops over the two subnets of a directory is not documented, so the room of a directory is
// twice that of its fuller one, and each desktop in flight is counted half in each, rounded up.
type places struct {
	catalogues map[string]desktop.Catalogue // by directory; those of the lane
	chosen     map[string]int               // since they were read: chosen, whether or not called already
	accepted   map[string]int
}

// known reads the catalogues once for a run. Without them every directory's room is unknown, and the first is taken.
func (r *run) known(ctx context.Context) *places {
	if r.place != nil {
		return r.place
	}
	p := &places{catalogues: map[string]desktop.Catalogue{}, chosen: map[string]int{}, accepted: map[string]int{}}
	all, err := r.Catalogues.Catalogues(ctx)
	if err != nil {
		r.log().WarnContext(ctx, "reading the catalogues; room is unknown", "lane", r.lane.String(), "error", err)
	}
	for _, c := range all {
		if c.Lane == r.lane {
			p.catalogues[c.Directory] = c
		}
	}
	r.place = p
	return p
}

// inFlight is how many desktops of a directory the free addresses may not show.
func (p *places) inFlight(directory string, now time.Time) int {
	n := p.chosen[directory]
	for _, placed := range p.catalogues[directory].Placed {
		if now.Sub(placed.At) < unseenFor {
			n += placed.Number
		}
	}
	return n
}

// room is how many desktops a directory can still take; known is false where no catalogue says.
func (p *places) room(directory string, now time.Time) (room int, known bool) {
	c, ok := p.catalogues[directory]
	if !ok || len(c.Subnets) == 0 {
		return 0, false
	}
	least := -1
	for _, s := range c.Subnets {
		free := max(s.Free-p.taken(s.ID, now), 0)
		if least < 0 || free < least {
			least = free
		}
	}
	return len(c.Subnets) * least, true
}

// taken is how many addresses of a subnet are in flight, for all directories that use it.
func (p *places) taken(subnet string, now time.Time) int {
	n := 0
	for id, c := range p.catalogues {
		if slices.ContainsFunc(c.Subnets, func(s desktop.Subnet) bool { return s.ID == subnet }) {
			n += (p.inFlight(id, now) + len(c.Subnets) - 1) / len(c.Subnets)
		}
	}
	return n
}

// candidate is a directory with its room.
type candidate struct {
	directory string
	room      int
	known     bool
	says      string
}

// class puts room before not known, and not known before none.
func (c candidate) class() int {
	switch {
	case !c.known:
		return 1
	case c.room > 0:
		return 2
	}
	return 0
}

// full reports whether the directory is known to have no room.
func (c candidate) full() bool { return c.class() == 0 }

// rank orders the directories for one person, the one with the most room first; where no room is known, last, in
// the order of the job. One that the catalogue knows not to be registered, and those tried in vain, are left out.
func (p *places) rank(directories, tried []string, now time.Time) []candidate {
	var ranked []candidate
	for _, id := range directories {
		c, ok := p.catalogues[id]
		if slices.Contains(tried, id) || (ok && c.State != "" && !c.Registered()) {
			continue
		}
		room, known := p.room(id, now)
		says := id + ": room unknown"
		if known {
			free := make([]string, len(c.Subnets))
			for i, s := range c.Subnets {
				free[i] = fmt.Sprintf("%s %d free", s.ID, s.Free)
			}
			says = fmt.Sprintf("%s: room %d (%s, %d in flight, read %s)", id, room, strings.Join(free, ", "),
				p.inFlight(id, now), c.Read.Format(time.RFC3339))
		}
		ranked = append(ranked, candidate{id, room, known, says})
	}
	slices.SortStableFunc(ranked, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.class(), a.class()), cmp.Compare(b.room, a.room))
	})
	return ranked
}

// choose gives every order its directory: the one it has been given before, the only one, or the one with the most
// room. Whoever finds no room anywhere is refused without a call.
func (r *run) choose(ctx context.Context, orders []*order) []*order {
	var good []*order
	for _, o := range orders {
		switch {
		case o.item.Directory != "" && len(o.tried) == 0:
			o.request.Directory = o.item.Directory
		case len(o.job.Directories) == 1:
			o.request.Directory = o.job.Directories[0]
		case !r.chooseAmong(ctx, o):
			continue
		}
		good = append(good, o)
	}
	return good
}

func (r *run) chooseAmong(ctx context.Context, o *order) bool {
	p := r.known(ctx)
	ranked := p.rank(o.job.Directories, o.tried, r.Clock.Now())
	says := make([]string, len(ranked))
	for i, c := range ranked {
		says[i] = c.says
	}
	numbers := strings.Join(says, "; ")
	for _, id := range o.tried {
		numbers += "; " + id + ": no capacity"
	}
	if len(ranked) == 0 || ranked[0].full() {
		r.refuse(ctx, o, fault.New(fault.NoCapacity, "none of the directories "+strings.Join(o.job.Directories, ", ")+
			" is registered and has room: "+numbers))
		return false
	}
	o.request.Directory = ranked[0].directory
	p.chosen[o.request.Directory]++
	if len(o.tried) == 0 {
		o.item.Choice = numbers // written with the claim
		return true
	}
	moved := false
	r.record(ctx, o, "", func(a assignment.Assignment) (assignment.Assignment, error) {
		next, err := a.Elsewhere(o.Attempt, o.request.Directory, numbers)
		moved = err == nil
		return next, err
	})
	return moved
}

// mayGoElsewhere reports whether another directory is left to try. Who was claimed before may not: what an earlier
// call left is not known.
func (r *run) mayGoElsewhere(o *order) bool {
	return !o.again() && len(o.tried)+1 < len(o.job.Directories)
}

// placed notes an accepted desktop.
func (r *run) placed(directory string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.place != nil {
		r.place.accepted[directory]++
	}
}

// savePlaces writes down what was accepted where, for the next invocation and the planner. A lane is held by one
// worker at a time, so nobody else writes these catalogues.
func (r *run) savePlaces(ctx context.Context) {
	if r.place == nil {
		return
	}
	now := r.Clock.Now()
	for id, n := range r.place.accepted {
		c, ok := r.place.catalogues[id]
		if !ok || n == 0 {
			continue
		}
		c.Placed = append(recent(c.Placed, now), desktop.Placed{At: now, Number: n})
		if err := r.Catalogues.SaveCatalogue(context.WithoutCancel(ctx), c); err != nil {
			r.log().WarnContext(ctx, "writing what was placed", "directory", id, "error", err)
		}
	}
	r.place = nil
}

// recent are the desktops that the free addresses may not show yet.
func recent(placed []desktop.Placed, now time.Time) []desktop.Placed {
	return slices.DeleteFunc(slices.Clone(placed), func(p desktop.Placed) bool { return now.Sub(p.At) >= unseenFor })
}
