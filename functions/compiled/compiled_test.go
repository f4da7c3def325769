package compiled_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rollcall/functions/compiled"
)

// TestWhatIsTestedIsBuiltAsWhatShips compares with the Makefile, which builds what ships.
func TestWhatIsTestedIsBuiltAsWhatShips(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^GO_BUILD := CGO_ENABLED=0 go build (.*)$`).FindSubmatch(makefile)
	if found == nil {
		t.Fatal("the Makefile has no line that begins with GO_BUILD := CGO_ENABLED=0 go build")
	}
	want := strings.ReplaceAll(string(found[1]), `"`, "")
	if got := strings.Join(compiled.Flags(), " "); got != want {
		t.Errorf("tests build with %q, the Makefile with %q", got, want)
	}
}

func TestZipped(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(file, []byte(strings.Repeat("the same ", 100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if size, err := compiled.Zipped(file); err != nil || size < 100 || size > 10_000 {
		t.Errorf("900,000 bytes of the same zip to %d, %v", size, err)
	}
	if _, err := compiled.Zipped(file + ".gone"); err == nil {
		t.Error("a file that is not there was zipped")
	}
}

func TestACompilerThatComplainsIsQuoted(t *testing.T) {
	err := compiled.Command(t.Context(), "rollcall/functions/nowhere", filepath.Join(t.TempDir(), "nowhere"))
	if err == nil || !strings.Contains(err.Error(), "building rollcall/functions/nowhere") || !strings.Contains(err.Error(), "not in std") {
		t.Errorf("got %v", err)
	}
}
