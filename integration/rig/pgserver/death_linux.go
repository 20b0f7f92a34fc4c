package pgserver

import "syscall"

// endWithParent makes a process shut down at once when the thread that starts
// it ends: see startPostmaster.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
