package workspaces

import (
	"reflect"
	"slices"
	"testing"
)

func TestContractNamesEveryKnob(t *testing.T) {
	knobs := reflect.TypeFor[Knobs]()
	var named []string
	for _, c := range Contract() {
		named = append(named, c.Knobs...)
		if c.Evidence == NotKnown && len(c.Knobs) == 0 {
			t.Errorf("unknown, and no switch for it: %s", c.Says)
		}
		for _, k := range c.Knobs {
			if _, ok := knobs.FieldByName(k); !ok {
				t.Errorf("%q names the knob %s, which is not there", c.Says, k)
			}
		}
	}
	for i := range knobs.NumField() {
		if f := knobs.Field(i).Name; !slices.Contains(named, f) {
			t.Errorf("knob %s stands in no clause of the contract", f)
		}
	}
}
