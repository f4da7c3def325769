package graph

import (
	"fmt"
	"strconv"
	"strings"
)

// filter is a $filter that was understood: a small part of OData (eq, ne, in, startswith, and, or, not, brackets).
// https://learn.microsoft.com/graph/filter-query-parameter
type filter struct {
	match func(get func(name string) any) bool
	// ids are the only objects that can match, where the filter says so; nil: any.
	ids []string
	// names are likewise the only user principal names.
	names []string
	terms int // expressions, each value of an "in" counted
	ne    bool
	props []string
	plain bool // only "id eq" joined by or: what delta accepts
}

// parseFilter reads a filter. Strings compare without regard to case, as in the directory.
func parseFilter(s string) (f filter, why *refusal) {
	p := &filterParser{rest: s}
	defer func() {
		switch bad := recover().(type) {
		case nil:
		case filterError:
			why = badRequest("Invalid filter clause: " + string(bad))
		default:
			panic(bad)
		}
	}()
	f = p.or()
	if p.peek() != "" {
		return f, badRequest("Invalid filter clause: syntax error at '" + p.rest + "'.")
	}
	return f, nil
}

type filterError string

// filterParser goes down the grammar; it reports a mistake by panicking with a filterError, which parseFilter
// turns into a refusal.
type filterParser struct{ rest string }

func (p *filterParser) or() filter {
	f := p.and()
	for strings.EqualFold(p.peek(), "or") {
		p.next()
		a, b := f, p.and()
		f = joinFilter(a, b)
		f.match = func(get func(string) any) bool { return a.match(get) || b.match(get) }
		f.plain = a.plain && b.plain
		f.ids, f.names = nil, nil
		if a.ids != nil && b.ids != nil {
			f.ids = append(append([]string{}, a.ids...), b.ids...)
		}
		if a.names != nil && b.names != nil {
			f.names = append(append([]string{}, a.names...), b.names...)
		}
	}
	return f
}

func (p *filterParser) and() filter {
	f := p.term()
	for strings.EqualFold(p.peek(), "and") {
		p.next()
		a, b := f, p.term()
		f = joinFilter(a, b)
		f.match = func(get func(string) any) bool { return a.match(get) && b.match(get) }
		f.ids, f.names = a.ids, a.names
		if f.ids == nil {
			f.ids = b.ids
		}
		if f.names == nil {
			f.names = b.names
		}
	}
	return f
}

func joinFilter(a, b filter) filter {
	return filter{terms: a.terms + b.terms, ne: a.ne || b.ne, props: append(append([]string{}, a.props...), b.props...)}
}

func (p *filterParser) term() filter {
	word := p.next()
	switch {
	case word == "(":
		f := p.or()
		p.want(")")
		f.plain = false
		return f
	case strings.EqualFold(word, "not"):
		f := p.term()
		return filter{
			terms: f.terms, ne: true, props: f.props,
			match: func(get func(string) any) bool { return !f.match(get) },
		}
	case strings.EqualFold(word, "startswith") && p.peek() == "(":
		p.want("(")
		name := p.next()
		p.want(",")
		start, _ := p.value().(string)
		p.want(")")
		return filter{terms: 1, props: []string{name}, match: func(get func(string) any) bool {
			v, ok := get(name).(string)
			return ok && len(v) >= len(start) && strings.EqualFold(v[:len(start)], start)
		}}
	}
	return p.comparison(word)
}

func (p *filterParser) comparison(name string) filter {
	if name == "" || strings.ContainsAny(name, "'(),/") {
		panic(filterError("a property was expected at '" + name + p.rest + "'."))
	}
	f := filter{props: []string{name}}
	var values []any
	op := strings.ToLower(p.next())
	switch op {
	case "eq", "ne":
		values = []any{p.value()}
	case "in":
		p.want("(")
		for {
			values = append(values, p.value())
			if p.peek() != "," {
				break
			}
			p.next()
		}
		p.want(")")
	default:
		panic(filterError("operator '" + op + "' is not supported."))
	}
	f.terms, f.ne = len(values), op == "ne"
	f.match = func(get func(string) any) bool {
		v := get(name)
		for _, want := range values {
			if sameValue(v, want) {
				return op != "ne"
			}
		}
		return op == "ne"
	}
	if op != "ne" {
		f.index(name, values)
		f.plain = op == "eq" && name == "id"
	}
	return f
}

// index notes the only objects that the comparison can be true of.
func (f *filter) index(name string, values []any) {
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			f.ids, f.names = nil, nil
			return
		}
		switch name {
		case "id":
			f.ids = append(f.ids, canonical(s))
		case "userPrincipalName":
			f.names = append(f.names, s)
		}
	}
}

func sameValue(a, b any) bool {
	x, xs := a.(string)
	y, ys := b.(string)
	if xs && ys {
		return strings.EqualFold(x, y)
	}
	return fmt.Sprint(a) == fmt.Sprint(b) && (a == nil) == (b == nil)
}

func (p *filterParser) want(token string) {
	if got := p.next(); got != token {
		panic(filterError("'" + token + "' was expected at '" + got + p.rest + "'."))
	}
}

// value is a literal: 'text' with doubled quotes, true, false, null or a number.
func (p *filterParser) value() any {
	word := p.next()
	switch {
	case len(word) >= 2 && word[0] == '\'':
		return strings.ReplaceAll(word[1:len(word)-1], "''", "'")
	case word == "null":
		return nil
	case word == "true" || word == "false":
		return word == "true"
	}
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	panic(filterError("a value was expected at '" + word + p.rest + "'."))
}

func (p *filterParser) peek() string {
	was := p.rest
	defer func() { p.rest = was }()
	return p.next()
}

// next takes a bracket, a comma, a quoted text or a word; at the end it is empty.
func (p *filterParser) next() string {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if p.rest == "" {
		return ""
	}
	n := 1
	switch p.rest[0] {
	case '(', ')', ',':
	case '\'':
		for n < len(p.rest) && (p.rest[n] != '\'' || n+1 < len(p.rest) && p.rest[n+1] == '\'') {
			if p.rest[n] == '\'' {
				n++
			}
			n++
		}
		if n >= len(p.rest) {
			panic(filterError("a quote is not closed."))
		}
		n++
	default:
		for n < len(p.rest) && !strings.ContainsRune(" \t(),'", rune(p.rest[n])) {
			n++
		}
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

// readFilter is the call's filter, or one that everything passes. It refuses too many expressions, and what only
// advanced queries may have.
func (c *call) readFilter(get func(name string) bool) (filter, *refusal) {
	if c.q.filter == "" {
		return filter{match: func(func(string) any) bool { return true }}, nil
	}
	f, why := parseFilter(c.q.filter)
	if why != nil {
		return f, why
	}
	for _, name := range f.props {
		if !get(name) {
			return f, &refusal{status: 400, code: "BadRequest", message: "Invalid filter clause: Could not find a " +
				"property named '" + name + "'."}
		}
	}
	for _, id := range f.ids {
		if !isID(id) {
			return f, invalidID(id)
		}
	}
	switch {
	case f.ne && !c.q.advanced():
		return f, unsupported("Operator 'ne' or 'not' needs ConsistencyLevel: eventual and $count=true.")
	case !c.q.advanced() && f.terms > mostExpressions:
		return f, unsupported("Too many child clauses specified in search filter expression containing 'OR' " +
			"operators: " + strconv.Itoa(f.terms) + ". Max allowed: " + strconv.Itoa(mostExpressions) + ".")
	case c.q.advanced() && len(c.self()) > mostURL:
		return f, unsupported("The URL of an advanced query is longer than 2048 characters.")
	}
	return f, nil
}
