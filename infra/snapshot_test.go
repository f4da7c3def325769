package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/infra/snapshot"
)

var refresh = flag.Bool("refresh", false, "write the snapshot anew")

func TestTheSnapshotIsFresh(t *testing.T) {
	template := append(bytes.TrimSpace(templateAsDeployed(t)), '\n')
	if *refresh {
		if err := os.WriteFile(filepath.Join("snapshot", "rollcall.template.json"), template, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(snapshot.Template), string(template)); diff != "" {
		t.Errorf("infra/snapshot/rollcall.template.json is stale: the stack has changed. Run `make snapshot`, read the "+
			"diff, and commit it. Snapshot (-), stack (+):\n%s", diff)
	}
}
