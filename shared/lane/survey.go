package lane

import (
	"context"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// survey records the catalogue of the job's directories. A failure that will pass leaves what was recorded before;
// any other is itself recorded, as the problem that a person has to solve.
func (r *run) survey(ctx context.Context, j *job) {
	if r.outOfTime(ctx) {
		r.count("left for lack of time", 1)
		return
	}
	callCtx, cancel := r.callTime(ctx)
	found, err := r.account.Survey(callCtx, j.Directories, j.Bundles)
	cancel()
	if err != nil {
		r.count(string(fault.Of(err)), len(j.Directories))
		r.log().WarnContext(ctx, "surveying directories", "lane", r.lane.String(), "error", err)
		if kind := fault.Of(err); kind.Passing() || kind == fault.Unknown {
			return
		}
		found = nil
		for _, id := range j.Directories {
			found = append(found, desktop.Catalogue{
				Lane: r.lane, Directory: id, Read: r.Clock.Now(),
				Problem: err.Error(), Quota: -1, Used: -1,
			})
		}
	}
	known := r.known(ctx)
	r.place = nil // what was read before the survey is out of date after it
	for _, c := range found {
		c.Placed = recent(known.catalogues[c.Directory].Placed, r.Clock.Now())
		if err := r.Catalogues.SaveCatalogue(ctx, c); err != nil {
			r.log().ErrorContext(ctx, "writing the catalogue", "directory", c.Directory, "error", err)
			r.count("not written", 1)
			continue
		}
		r.count("surveyed", 1)
	}
}
