package lane

import (
	"fmt"

	"rollcall/shared/desktop"
	"rollcall/shared/fault"
)

// refusal says what in a request cannot be valid, before the service is asked: one bad item would sink the call of
// 24 others. The directories are those to choose from, where none was chosen before. The error names the first
// field that is wrong and its value; it is Misconfigured where the profile is wrong, and Rejected where the person's
// user name is. Nil for a request that may be sent.
func refusal(q desktop.Request, directories []string) error {
	if q.Directory != "" || len(directories) == 0 {
		directories = []string{q.Directory}
	}
	for _, q.Directory = range directories {
		if complaints := q.Complaints(); len(complaints) > 0 {
			return wrong(complaints[0])
		}
	}
	return nil
}

func wrong(c desktop.Complaint) error {
	kind, value := fault.Misconfigured, "(missing)"
	if c.Personal {
		kind = fault.Rejected
	}
	if c.Value != nil {
		value = fmt.Sprintf("%q", fmt.Sprint(c.Value))
	}
	return fault.New(kind, fmt.Sprintf("%s %s cannot be sent to WorkSpaces: expected %s", c.Field, value, c.Expected))
}
