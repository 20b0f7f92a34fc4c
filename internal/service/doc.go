// Package service makes pgkeyless a service of this user, which serves the config file
// at login: a unit of systemd --user, an agent of launchd, a service of Windows.
//
//	Unit ── SystemdUnit, SocketUnit, LaunchAgent ──► the text
//	Here ── Systemd | Launchd | Windows           ──► install, uninstall, start, stop
//
// The managers' own programs (systemctl, launchctl) do the work. A file that pgkeyless
// did not write is never changed.
package service
