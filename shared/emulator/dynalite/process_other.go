//go:build !linux

package dynalite

import "syscall"

// attributes are the usual ones: the pipe to the child's standard input ends it with us.
func attributes() *syscall.SysProcAttr { return nil }
