package proxy

import (
	"testing"
	"testing/synctest"
)

// A database that speaks an older version says so before it asks for the password, and the
// client must read it, with the login and with a refusal.
func TestNegotiationReachesUsersWithAPassword(t *testing.T) {
	negotiate := message('v', []byte("\x00\x03\x00\x00\x00\x00\x00\x01_pq_.x\x00")...)
	for name, password := range map[string]string{"accepted": ordinaryPassword, "refused": "another"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newPasswordRig(t, &fakePasswords{password: ordinaryPassword}, func(c *databaseConn) {
					c.startup()
					c.send(negotiate)
					s := &scramFake{password: password, offers: []string{"SCRAM-SHA-256-PLUS"}}
					if s.logIn(c) {
						c.Write(readyForQuery)
						c.untilTerminate()
					}
				}, nil)
				c := r.dial()
				c.send(startupPacket(3<<16|2, "user", "app_user", "database", "app", "_pq_.x", "y"))
				c.expect(negotiate)
				if name == "accepted" {
					c.expect(join(authRequest(0), readyForQuery))
				} else if got := c.failed(); got['C'] != "28P01" {
					t.Errorf("got %q", got)
				}
				c.Close()
				r.stopQuiet()
			})
		})
	}
}
