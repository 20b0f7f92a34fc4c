// Package supervisor speaks with whatever started this process and watches over it:
// systemd, or the service manager of Windows.
//
//	Systemd    READY, RELOADING, STOPPING, STATUS and the watchdog's keep-alives
//	Inherited  the sockets that systemd opened and passed on, by name
//	Service    runs the process as a Windows service (Windows)
//
// launchd needs nothing of this: it starts the process and sends SIGTERM.
package supervisor
