package workspaces

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// mostTags is how many tags a resource may have.
const mostTags = 50

// tagged is the tags of a resource (a WorkSpace that can be seen, a directory, a bundle of the account); false
// where there is none of that id.
func (l *Lane) tagged(id string, c call) (*map[string]string, bool) {
	if d := l.seen(id, c.now); d != nil {
		return &d.Tags, true
	}
	if d := l.directory(id); d != nil {
		return &d.Tags, true
	}
	if b := l.bundle(id); b != nil && b.Owner == l.ID.Account {
		return &b.Tags, true
	}
	return nil, false
}

func noResource(id string) *refusal {
	return refuse(notFound, "The specified resource could not be found.").about(id)
}

// badTags is what is wrong with new tags beyond their lengths: reserved prefixes, characters, spaces at an end,
// more than 50.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/tag-workspaces-resources.html
func (l *Lane) badTags(tags []tag) string {
	if len(tags) > mostTags {
		return "A resource can have at most 50 tags."
	}
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return "Tag keys that begin with aws: are reserved."
		}
		for _, text := range []string{t.Key, t.Value} {
			if strings.TrimSpace(text) != text || strings.ContainsFunc(text, notInTag) {
				return "Tags may hold letters, numbers, spaces and + - = . _ : / @, and no space at an end."
			}
		}
	}
	return ""
}

func notInTag(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !strings.ContainsRune("+-=._:/@", r)
}

// createTags is CreateTags: a key that is there gets the new value.
func (l *Lane) createTags(c call, in tagsRequest) (nothing, *refusal) {
	have, ok := l.tagged(in.ResourceId, c)
	if !ok {
		return nothing{}, noResource(in.ResourceId)
	}
	if why := l.badTags(in.Tags); why != "" && len(in.Tags) <= mostTags {
		return nothing{}, refuse(invalidValues, "%s", why)
	}
	all := maps.Clone(*have)
	if all == nil {
		all = map[string]string{}
	}
	for _, t := range in.Tags {
		all[t.Key] = t.Value
	}
	if len(all) > mostTags {
		return nothing{}, refuse(limitExceeded, "A resource can have at most 50 tags.")
	}
	*have = all
	return nothing{}, nil
}

// deleteTags is DeleteTags; a key that is not there is passed over.
func (l *Lane) deleteTags(c call, in tagsRequest) (nothing, *refusal) {
	have, ok := l.tagged(in.ResourceId, c)
	if !ok {
		return nothing{}, noResource(in.ResourceId)
	}
	left := maps.Clone(*have)
	for _, key := range in.TagKeys {
		delete(left, key)
	}
	*have = left
	return nothing{}, nil
}

// describeTags is DescribeTags: one resource, no pages.
func (l *Lane) describeTags(c call, in tagsRequest) (tagsAnswer, *refusal) {
	have, ok := l.tagged(in.ResourceId, c)
	if !ok {
		return tagsAnswer{}, noResource(in.ResourceId)
	}
	out := tagsAnswer{TagList: []tag{}}
	for key, value := range *have {
		out.TagList = append(out.TagList, tag{key, value})
	}
	slices.SortFunc(out.TagList, func(a, b tag) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}
