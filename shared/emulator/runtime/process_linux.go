package runtime

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes let the process die with its parent and lead a group of its own.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func killGroup(p *os.Process) {
	// A process that has ended meanwhile has no group any more.
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}

// residentPeak is VmHWM of /proc/<pid>/status in bytes, or zero where the process is gone (proc_pid_status(5)).
func residentPeak(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// usagePeak is the maximum resident set size in bytes (getrusage(2): in KiB on Linux).
func usagePeak(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10
}
