package scenario

import _ "embed"

//go:embed company.yaml
var company []byte

// Company is the built-in scenario, as a person would write it.
func Company() []byte { return company }
