package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"golang.org/x/term"

	"rollcall/shared/assignment"
	"rollcall/shared/reconcile"
	"rollcall/shared/scenario"
)

// screen tells a play as it happens. On a terminal it has colour and a line that moves; piped, it is plain text.
type screen struct {
	out      io.Writer
	story    scenario.Scenario
	terminal bool
	width    int
	quiet    int            // quiet ticks since the last line
	calls    scenario.Calls // of the last quiet tick
	problems map[string]bool
}

func newScreen(out io.Writer, story scenario.Scenario) *screen {
	s := &screen{out: out, story: story, width: 100, problems: map[string]bool{}}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.terminal = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 60 {
			s.width = min(w, 140)
		}
	}
	return s
}

// The look: one accent, grey for what is quiet, and three colours that mean something.
var (
	strong = lipgloss.NewStyle().Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	accent = lipgloss.NewStyle().Foreground(lipgloss.Color("6")).Bold(true)
	good   = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	wait   = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	bad    = lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
)

func (s *screen) println(text string) {
	s.clear()
	_, _ = lipgloss.Fprintln(s.out, text) // a screen that is gone is no reason to stop
}

// clear takes the moving line away.
func (s *screen) clear() {
	if s.terminal {
		_, _ = fmt.Fprint(s.out, "\r\x1b[2K")
	}
}

func (s *screen) begin() {
	s.println(accent.Render("rollcall") + strong.Render(" · "+cmp.Or(s.story.Name, "a company")))
	for line := range strings.Lines(s.story.About) {
		s.println(faint.Render(strings.TrimRight(line, "\n")))
	}
	s.println(faint.Render(fmt.Sprintf("%s from %s, a tick every %s. The functions are the ones that ship; clients and HTTP are real,",
		s.story.For, s.story.Start.Format("Monday 2 January 2006 15:04"), s.story.Tick)))
	s.println(faint.Render("the clock and the cloud are not."))
	s.println("")
}

// moment shows one moment. A quiet tick only counts.
func (s *screen) moment(m scenario.Moment) {
	if s.uneventful(m) {
		s.quiet++
		if s.calls == nil || m.Report.Done.Jobs+m.Report.Done.Written == 0 {
			s.calls = m.Calls
		}
		if s.terminal {
			_, _ = fmt.Fprintf(s.out, "\r\x1b[2K%s", s.quietLine())
		}
		return
	}
	s.flush()
	for _, text := range m.Happened {
		s.println(s.when(m.At) + accent.Render("▸ ") + strong.Render(text))
	}
	switch {
	case m.Error != "":
		s.println(s.when(m.At) + bad.Render("✗ "+s.what(m)+": ") + s.wrap(m.Error, 15))
	case m.Report != nil:
		s.report(m)
	case m.Action != "":
		s.println(s.when(m.At) + good.Render("✓ ") + s.wrap(s.answer(m.Answer), 15))
	}
	for _, group := range grouped(append(m.Would, m.Changes...)) {
		s.println(s.line(group))
	}
}

// uneventful reports whether nothing happened that is worth a line: at most a survey of the directories, or a retry
// that changed nothing.
func (s *screen) uneventful(m scenario.Moment) bool {
	return m.Report != nil && len(m.Happened) == 0 && len(m.Changes) == 0 && len(m.Report.LookedAt.Rolls) == 0 &&
		m.Report.LookedAt.Changed == 0 && m.Messages <= m.Report.Done.Surveys && !s.newProblem(m)
}

func (s *screen) when(at time.Time) string { return faint.Render(at.Format("Mon 2 15:04")) + "  " }

func (s *screen) what(m scenario.Moment) string {
	if m.Action == "run" {
		return "tick"
	}
	return m.Action
}

func (s *screen) quietLine() string {
	return faint.Render(fmt.Sprintf("             %d quiet %s: nothing changed, %d calls each", s.quiet, plural(s.quiet, "tick"), s.calls.Total()))
}

func (s *screen) flush() {
	if s.quiet > 0 {
		s.println(s.quietLine())
		s.quiet, s.calls = 0, nil
	}
}

// report is the line of a tick: what was looked at, planned, done and held, and what it cost.
func (s *screen) report(m scenario.Moment) {
	r := m.Report
	parts := []string{fmt.Sprintf("looked at %d %s", r.LookedAt.People, people(r.LookedAt.People))}
	for _, id := range slices.Sorted(maps.Keys(r.LookedAt.Rolls)) {
		parts = append(parts, fmt.Sprintf("whole group of %s (%s)", id, r.LookedAt.Rolls[id]))
	}
	if r.LookedAt.Changed > 0 {
		parts = append(parts, fmt.Sprintf("feed named %d", r.LookedAt.Changed))
	}
	if planned := plannedText(r.Planned); planned != "" {
		parts = append(parts, "planned "+planned)
	}
	if len(r.Held) > 0 {
		parts = append(parts, wait.Render(fmt.Sprintf("held %d", len(r.Held))))
	}
	if m.Messages > 0 {
		parts = append(parts, fmt.Sprintf("worker took %d %s", m.Messages, plural(m.Messages, "job")))
	}
	parts = append(parts, faint.Render(fmt.Sprintf("%d calls", m.Calls.Total())))
	s.println(s.when(m.At) + s.what(m) + "  " + s.join(parts, 15+len(s.what(m))))
	for _, p := range r.Problems {
		if key := p.Profile + p.Code; !s.problems[key] {
			s.problems[key] = true
			s.println("             " + bad.Render("! ") + s.wrap(strings.TrimPrefix(p.Profile+": "+p.Text, ": "), 15))
		}
	}
}

// join puts the parts of a line behind each other, from a column on, and what does not fit on the next line.
func (s *screen) join(parts []string, column int) string {
	var out strings.Builder
	for i, part := range parts {
		width := lipgloss.Width(part)
		switch {
		case i == 0:
		case column+3+width > s.width:
			out.WriteString("\n" + strings.Repeat(" ", 15))
			column = 15
		default:
			out.WriteString(faint.Render(" · "))
			column += 3
		}
		out.WriteString(part)
		column += width
	}
	return out.String()
}

func (s *screen) newProblem(m scenario.Moment) bool {
	return slices.ContainsFunc(m.Report.Problems, func(p reconcile.Problem) bool { return !s.problems[p.Profile+p.Code] })
}

func plannedText(planned map[string]int) string {
	var out []string
	for _, verb := range []string{"create", "resend", "check", "withdraw", "hold", "record"} {
		if n := planned[verb]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, verb))
		}
	}
	return strings.Join(out, ", ")
}

func (s *screen) answer(answer any) string {
	switch a := answer.(type) {
	case reconcile.Approval:
		return fmt.Sprintf("profile %s is in force in version %s: group %s. %s", a.Profile, a.Approved, a.GroupName, a.Next)
	case reconcile.Switch:
		return fmt.Sprintf("STOP for %s is %s. %s", a.What, map[bool]string{true: "on", false: "off"}[a.Stop.On], a.Next)
	}
	return fmt.Sprint(answer)
}

// change is several people to whom the same happened.
type change struct {
	scenario.Change
	names []string
}

func grouped(changes []scenario.Change) []change {
	var out []change
	for _, c := range changes {
		i := slices.IndexFunc(out, func(g change) bool { return g.To == c.To && g.Reason.Code == c.Reason.Code && g.Profile == c.Profile })
		if i < 0 {
			out = append(out, change{Change: c})
			i = len(out) - 1
		}
		out[i].names = append(out[i].names, c.Name)
	}
	slices.SortStableFunc(out, func(a, b change) int { return rank(a.To) - rank(b.To) })
	return out
}

func rank(s assignment.Status) int { return slices.Index(assignment.Statuses, s) }

func (s *screen) line(c change) string {
	names := strings.Join(c.names, ", ")
	if len(c.names) > 8 {
		names = fmt.Sprintf("%s and %d more", strings.Join(c.names[:6], ", "), len(c.names)-6)
	}
	text := fmt.Sprintf("             %s %s", badge(c.To), strong.Render(names))
	if c.Reason.Text != "" {
		text += "  " + paint(faint, s.wrap(c.Reason.Text, 36+len(names)))
	}
	return text
}

// badge is a status in its colour, padded.
func badge(s assignment.Status) string {
	style := wait
	switch s {
	case assignment.Provisioned:
		style = good
	case assignment.Failed, assignment.Missing:
		style = bad
	case assignment.NotEntitled, assignment.Foreign, assignment.Deprovisioned:
		style = faint
	}
	return style.Render(fmt.Sprintf("%-19s", s))
}

// paint colours each line by itself: lines of one block would be padded to one width.
func paint(style lipgloss.Style, text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = style.Render(lines[i])
	}
	return strings.Join(lines, "\n")
}

// wrap breaks a text that does not fit behind used columns; what goes on is indented.
func (s *screen) wrap(text string, used int) string {
	const indent = 15
	if used+len(text) <= s.width {
		return text
	}
	var out strings.Builder
	column := used
	for i, word := range strings.Fields(text) {
		if i > 0 && column+1+len(word) > s.width {
			out.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		} else if i > 0 {
			out.WriteString(" ")
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}

// end is the last page: everyone, every WorkSpace, every call.
func (s *screen) end(r *scenario.Report) {
	s.flush()
	s.println("")
	s.println(s.peopleTable(r))
	s.println("")
	s.println(s.callsTable(r))
	s.println("")
	s.println(strong.Render(fmt.Sprintf("%d %s, %d WorkSpaces at AWS, %d dead letters.", len(r.People), people(len(r.People)), len(r.WorkSpaces), r.DeadLetters)) +
		faint.Render(fmt.Sprintf(" %d ticks, of which %d were quiet and cost %d calls each.", r.Ticks, r.QuietTicks, r.QuietCalls.Total())))
}

// mostRows is how many people the last table shows.
const mostRows = 40

func (s *screen) peopleTable(r *scenario.Report) string {
	t := s.table("Person", "Status", "WorkSpace", "Profile", "Why")
	rows := slices.Clone(r.People)
	slices.SortStableFunc(rows, func(a, b scenario.Row) int { return rank(a.Status) - rank(b.Status) })
	for _, p := range rows[:min(len(rows), mostRows)] {
		t.Row(p.Name, badge(p.Status), cmp.Or(p.WorkSpace, "-"), cmp.Or(p.Profile, "-"), s.why(p))
	}
	out := t.Render()
	if more := len(rows) - mostRows; more > 0 {
		out += fmt.Sprintf("\nand %d more: --json has them all", more)
	}
	return out
}

func (s *screen) why(p scenario.Row) string {
	if p.Reason.Text == "" && !p.Ready.IsZero() {
		return "ready " + scenario.Duration(p.Ready.Sub(p.Joined).Round(time.Minute)).String() + " after joining"
	}
	return p.Reason.Text
}

func (s *screen) callsTable(r *scenario.Report) string {
	t := s.table("Calls", "in all", "in a quiet tick")
	for _, name := range slices.Sorted(maps.Keys(r.Calls)) {
		quiet := "-"
		if n := r.QuietCalls[name]; n > 0 {
			quiet = fmt.Sprint(n)
		}
		t.Row(name, fmt.Sprint(r.Calls[name]), quiet)
	}
	return t.Render()
}

func (s *screen) table(headers ...string) *table.Table {
	return table.New().Headers(headers...).Border(lipgloss.RoundedBorder()).BorderStyle(faint).Width(s.width).
		StyleFunc(func(row, column int) lipgloss.Style {
			style := lipgloss.NewStyle()
			if row == table.HeaderRow {
				style = strong
			}
			if column > 0 && headers[0] == "Calls" { // numbers
				style = style.Align(lipgloss.Right)
			}
			return style.Padding(0, 1)
		})
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func people(n int) string {
	if n == 1 {
		return "person"
	}
	return "people"
}
