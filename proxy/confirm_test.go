package proxy

import (
	"testing"
	"testing/synctest"
)

// A session that is to read only begins where the server says that it does, if the Route
// wants to know.
func TestReadOnlyIsConfirmed(t *testing.T) {
	report := func(value string) []byte {
		return message('S', []byte(readOnlySetting+"\x00"+value+"\x00")...)
	}
	on := []Setting{{"Default_Transaction_Read_Only", "on"}}
	for _, test := range []struct {
		name     string
		settings []Setting
		confirm  bool
		says     []byte
		refused  bool
	}{
		{"on", on, true, report("on"), false},
		{"off", on, true, report("off"), true},
		{"on, then off", on, true, join(report("on"), report("off")), true},
		{"nothing", on, true, nil, true},
		{"nothing, and nobody asks", on, false, nil, false},
		{"no guard", []Setting{{"statement_timeout", "1000"}}, true, nil, false},
		{"a guard that is off", []Setting{{readOnlySetting, "off"}}, true, report("off"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(3))
					readMessage(c)
					c.send(authRequest(0), test.says, keyData(7, []byte("key7")), readyForQuery)
					c.untilTerminate()
				}, func(cfg *Config) {
					cfg.Routes[0].Settings, cfg.Routes[0].ConfirmSettings = test.settings, test.confirm
				})
				c := r.dial()
				c.send(plainStartup)
				if test.refused {
					if got := c.failed(); got['C'] != "0A000" || got['H'] == "" {
						t.Errorf("got %q, want 0A000 with a hint", got)
					}
				} else {
					c.expect(join(authRequest(0), test.says, keyData(7, []byte("key7")), readyForQuery))
					c.send(terminate)
				}
				c.Close()
				r.stop()
			})
		})
	}
}

// Where the server is to ask first, nobody is remembered whose token could go unasked.
func TestAskFirst(t *testing.T) {
	for _, first := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, letIn, func(cfg *Config) { cfg.Routes[0].AskFirst = first })
			for range 2 {
				c := r.established()
				c.send(terminate)
				c.Close()
			}
			if got := r.server.routes[0].guesses.clearText("app_user"); got == first {
				t.Errorf("AskFirst %v: the next login guesses: %v", first, got)
			}
			r.stop()
		})
	}
}

// A server with one database gives it to a client that names its user's instead.
func TestOnlyDatabase(t *testing.T) {
	only := Route{Database: "postgres", OnlyDatabase: true}
	for _, test := range []struct {
		route          Route
		user, database string
		want, asUser   string
	}{
		{only, "admin", "", "postgres", "admin"},
		{only, "admin", "admin", "postgres", "admin"},
		{only, "admin", "other", "other", "admin"},
		{Route{Database: "postgres", OnlyDatabase: true, User: "app"}, "ada", "ada", "postgres", "app"},
		{Route{Database: "postgres"}, "admin", "admin", "admin", "admin"},
		{Route{}, "admin", "", "", "admin"},
	} {
		m := startupMessage{version: 3 << 16, params: []param{{"user", test.user}}}
		if test.database != "" {
			m.params = append(m.params, param{"database", test.database})
		}
		got := test.route.rewrite(m)
		if got.value("database") != test.want || got.value("user") != test.asUser {
			t.Errorf("%s in %q: %s in %q, want %s in %q", test.user, test.database, got.value("user"), got.value("database"), test.asUser, test.want)
		}
	}
}
