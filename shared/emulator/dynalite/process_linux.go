package dynalite

import "syscall"

// attributes puts the child into a process group of its own, so that Ctrl-C does not reach it before us, and has
// the kernel kill it when the thread that started it ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
