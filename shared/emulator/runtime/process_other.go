//go:build !linux

package runtime

import (
	"os"
	"syscall"
)

// attributes: only Linux ends a child with its parent.
func attributes() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) {
	_ = p.Kill() // it may have ended meanwhile
}

// residentPeak is not told here.
func residentPeak(int) int64 { return 0 }

// usagePeak is not told in one unit everywhere.
func usagePeak(*os.ProcessState) int64 { return 0 }
