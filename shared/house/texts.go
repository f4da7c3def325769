package house

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// texts are the rules about every file, Go or not.
func texts() []Rule {
	return []Rule{
		{
			Name:     "no file names a place on somebody's machine",
			Because:  "it works there and nowhere else, and tells the world who works where",
			Findings: machinePaths,
		},
		{
			Name:     "the lock file names no host",
			Because:  "who installs behind a mirror would be sent past it; the hashes say what is installed, from wherever",
			Findings: lockedHosts,
		},
	}
}

// machinePaths finds absolute paths into a home or a workplace. What follows a host's name or another folder is not
// one.
func machinePaths(t Tree) (findings []string) {
	place := regexp.MustCompile(`(?:^|[^A-Za-z0-9_.~/}-])(/(?:home|Users|root|work)/[A-Za-z0-9_.-]+)`)
	for _, text := range t.Texts {
		for i, line := range strings.Split(text.Content, "\n") {
			for _, found := range place.FindAllStringSubmatch(line, -1) {
				findings = append(findings, fmt.Sprintf("%s:%d: %s", text.Name, i+1, found[1]))
			}
		}
	}
	return findings
}

func lockedHosts(t Tree) (findings []string) {
	for _, text := range t.Texts {
		if path.Base(text.Name) != "package-lock.json" {
			continue
		}
		for i, line := range strings.Split(text.Content, "\n") {
			if strings.Contains(line, `"resolved"`) {
				findings = append(findings, fmt.Sprintf("%s:%d: %s", text.Name, i+1, strings.TrimSpace(line)))
			}
		}
	}
	return findings
}
