package desktop

import "time"

// Catalogue is what the worker has recorded of one directory, for the planner, which has no permission on
// WorkSpaces: is it registered, what bundles are there, how much room is left. One per lane and directory.
type Catalogue struct {
	Lane      Lane      `json:"lane"`
	Directory string    `json:"directory"`
	Read      time.Time `json:"read"`
	// Problem is what kept the worker from reading it (one sentence), or empty.
	Problem string `json:"problem,omitempty"`

	Name             string `json:"name,omitempty"`
	Type             string `json:"type,omitempty"`  // AD_CONNECTOR, SIMPLE_AD, …
	State            string `json:"state,omitempty"` // REGISTERED, …
	RegistrationCode string `json:"registrationCode,omitempty"`

	Subnets []Subnet `json:"subnets,omitempty"`
	// Bundles are the profiles' bundles that were looked up: by id, the name, or empty where there is none.
	Bundles map[string]string `json:"bundles,omitempty"`
	// Quota is the account's WorkSpaces quota in the Region and Used what counts against it; -1 is unknown.
	Quota int `json:"quota"`
	Used  int `json:"used"`

	// Placed are the desktops that were lately accepted here: Free may not show them yet.
	Placed []Placed `json:"placed,omitempty"`
}

// Placed is a number of desktops accepted in a directory at one time.
type Placed struct {
	At     time.Time `json:"at"`
	Number int       `json:"number"`
}

// Subnet is one of a directory's (at most two) subnets. Two directories may share one: room is counted by subnet.
type Subnet struct {
	ID   string `json:"id"`
	Zone string `json:"zone"`
	Free int    `json:"free"` // AvailableIpAddressCount; lags our own pending creates
}

// Registered reports whether WorkSpaces may be made in the directory.
func (c Catalogue) Registered() bool { return c.State == "REGISTERED" }
