package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
)

// pooled makes the rig's Route lead to a pooler.
func pooled(others Others, settings ...Setting) func(*Config) {
	return func(cfg *Config) {
		cfg.Routes[0].Pooler = &Pooler{Name: "Pool", Parameters: []string{"application_name", "DateStyle", "TimeZone"}, Others: others}
		cfg.Routes[0].Settings = settings
	}
}

// sets is how a pooler is asked to set what words say, name by name and value by value.
func sets(words ...string) []byte {
	n := len(words)
	var columns, types, values []byte
	for i, word := range words {
		switch {
		case i%2 == 1:
			columns = fmt.Appendf(columns, "$%d, false)", i+1)
		case i > 0:
			columns = append(columns, ", "...)
			fallthrough
		default:
			columns = fmt.Appendf(columns, "pg_catalog.set_config($%d, ", i+1)
		}
		types = append(types, 0, 0, 0, 25) // text
		values = append(binary.BigEndian.AppendUint32(values, uint32(len(word))), word...)
	}
	count := []byte{byte(n >> 8), byte(n)}
	return join(message('P', join([]byte("\x00SELECT "), columns, []byte{0}, count, types)...),
		message('B', join([]byte{0, 0, 0, 0}, count, values, []byte{0, 0})...),
		message('E', 0, 0, 0, 0, 0), message('S'))
}

// untilSync reads messages up to a Sync, and returns the first of them.
func (c *databaseConn) untilSync() (first []byte) {
	for {
		m, err := readMessage(c)
		if first == nil {
			first = m
		}
		if err != nil || m[0] == 'S' {
			return first
		}
	}
}

// answered is what a server says of a statement that sets something.
var answered = join(message('1'), message('2'), message('D', 0, 0), message('C', []byte("SELECT 1\x00")...))

func TestPoolerGetsWhatItTakesAndTheRestLater(t *testing.T) {
	guard := Setting{"statement_timeout", "30000"}
	for _, test := range []struct {
		name     string
		settings []Setting
		params   []string // beside user and database
		want     []string // the same, at the server
		sets     []string // behind the login
	}{
		{"nothing", nil, nil, nil, nil},
		{"a byte of Shift JIS that is a backslash", nil, []string{"search_path", "\x95\x5c", "client_encoding", "SJIS"}, nil, []string{"search_path", "\x95\x5c", "client_encoding", "SJIS"}},
		{"what it takes", nil, []string{"timezone", "UTC", "application_name", "x", "TimeZone", "Japan"}, []string{"TimeZone", "Japan", "application_name", "x"}, nil},
		{"a second DateStyle", nil, []string{"DateStyle", "ISO", "options", "-c datestyle=DMY -c work_mem=1MB"}, []string{"DateStyle", "DMY"},
			[]string{"work_mem", "1MB", "DateStyle", "ISO"}},
		{"one DateStyle twice", nil, []string{"datestyle", "ISO", "DATESTYLE", "ISO"}, []string{"DateStyle", "ISO"}, nil},
		{"a search_path", nil, []string{"options", "-c search_path=a,b"}, nil, []string{"search_path", "a,b"}},
		{"in order, parameters last", nil, []string{"work_mem", "1MB", "options", "-c work_mem=2MB -c a.b=c"}, nil,
			[]string{"work_mem", "2MB", "a.b", "c", "work_mem", "1MB"}},
		{"what it takes in options", nil, []string{"TimeZone", "UTC", "options", "--TIMEZONE=Japan -c application_name=y"}, []string{"TimeZone", "UTC", "application_name", "y"}, nil},
		{"quotes", nil, []string{"a'b", `it's`, "c", `back\slash's`}, nil, []string{"a'b", "it's", "c", `back\slash's`}},
		{"guards", []Setting{guard}, []string{"statement_timeout", "0", "options", "-c statement_timeout=1"}, nil,
			[]string{"statement_timeout", "1", "statement_timeout", "30000"}},
		{"the last options count", nil, []string{"options", "-c a=b", "options", "-c c=d"}, nil, []string{"c", "d"}},
		{"names of other meaning", nil, []string{"options", "-c user=root -c replication=true"}, nil,
			[]string{"user", "root", "replication", "true"}},
		{"replication", nil, []string{"replication", "database"}, []string{"replication", "database"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []byte
				changed := message('S', []byte("search_path\x00a,b\x00")...)
				notice := message('N', []byte("SNOTICE\x00Mhm\x00\x00")...)
				r := newRig(t, func(c *databaseConn) {
					got = c.startup()
					c.send(authRequest(3))
					c.expect(message('p', append([]byte(secretToken), 0)...))
					c.send(authRequest(0), message('S', []byte("server_version\x0016\x00")...), readyForQuery)
					if test.sets != nil {
						c.expect(sets(test.sets...))
						c.send(changed, answered, notice, readyForQuery, message('A', 0, 0, 0, 1, 'x', 0, 'y', 0))
					}
					c.untilTerminate()
				}, pooled(SetOthers, test.settings...))
				c := r.dial()
				c.send(startupPacket(3<<16, append([]string{"user", "app_user", "database", "app"}, test.params...)...))
				want := join(authRequest(0), message('S', []byte("server_version\x0016\x00")...))
				if test.sets != nil {
					want = join(want, changed, notice, readyForQuery, message('A', 0, 0, 0, 1, 'x', 0, 'y', 0))
				} else {
					want = join(want, readyForQuery)
				}
				c.expect(want)
				c.Close()
				r.stop()
				if want := startupPacket(3<<16, append([]string{"user", "app_user", "database", "app"}, test.want...)...); !bytes.Equal(got, want) {
					t.Errorf("server got %q, want %q", got, want)
				}
			})
		})
	}
}

func TestPoolerSettingThatFailsEndsTheLogin(t *testing.T) {
	wrong := []string{"SFEHLER", "VERROR", "C22023", `Minvalid value for parameter "work_mem": "secret_value"`, "Fguc.c", "L1"}
	for _, test := range []struct {
		name   string
		guards []Setting
		fields []string
		want   []string
		cause  string
	}{
		{"its value is wrong", nil, wrong, []string{"SFATAL", "VFATAL", "C22023", wrong[3], "Fguc.c", "L1",
			"DPool does not accept these start-up parameters, so pgkeyless sets them after the login: work_mem, a",
			"H" + causes.SettingFailed.Hint}, "setting-failed"},
		{"it is not permitted", nil, []string{"SERROR", "VERROR", "C42501", `Mpermission denied to set role "secret_value"`},
			[]string{"SFATAL", "VFATAL", "C42501", `Mpermission denied to set role "secret_value"`,
				"DPool does not accept these start-up parameters, so pgkeyless sets them after the login: work_mem, a",
				"H" + causes.SettingFailed.Hint}, "setting-failed"},
		{"a guard beside it fails", []Setting{{"b.c", "d"}}, []string{"SERROR", "VERROR", "C22023", `Mno "b.c"`},
			[]string{"SFATAL", "VFATAL", "C22023", `Mno "b.c"`,
				"DPool does not accept these start-up parameters, so pgkeyless sets them after the login: b.c",
				"H" + causes.GuardFailed.Hint}, "guard-failed"},
		{"the client's value of a guard", []Setting{{"A", "d"}}, []string{"SERROR", "VERROR", "C22023", `Mno "A"`},
			[]string{"SFATAL", "VFATAL", "C22023", `Mno "A"`,
				"DPool does not accept these start-up parameters, so pgkeyless sets them after the login: work_mem, a",
				"H" + causes.SettingFailed.Hint}, "setting-failed"},
		{"it takes too long", nil, []string{"SERROR", "VERROR", "C57014", "Mcanceling statement"},
			[]string{"SFATAL", "VFATAL", "C57014", "Mcanceling statement", "D" + causes.SettingInterrupted.Detail, "H" + causes.SettingInterrupted.Hint}, "setting-interrupted"},
		{"the server has no room", nil, []string{"SERROR", "VERROR", "C53300", "Mno room", "Dtheirs"},
			[]string{"SFATAL", "VFATAL", "C53300", "Mno room", "Dtheirs", "Hour advice"}, "x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan bool, 9)
				var audit []AuditEvent
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					c.untilSync()
					c.send(errorPacket(test.fields...), readyForQuery)
					_, err := readMessage(c)
					ended <- err != nil
				}, func(cfg *Config) {
					pooled(SetOthers, test.guards...)(cfg)
					cfg.Routes[0].Refusals = adviser{"53300": {Cause: "x", Detail: "ours too", Hint: "our advice"}}
					cfg.Audit = func(e AuditEvent) error { audit = append(audit, e); return nil }
				})
				c := r.dial()
				c.send(startupPacket(3<<16, "user", "app_user", "options", "-c work_mem=secret_value -c a=b", "work_mem", "secret_value"))
				c.expect(join(authRequest(0), keyData(7, []byte("key7")), errorPacket(test.want...)))
				c.expectEnd()
				if len(ended) != 1 || !<-ended {
					t.Errorf("the server's side was not ended once")
				}
				r.stop()
				if !r.log.hasLine("session ended", "level=INFO", "cause="+test.cause) {
					t.Errorf("no such line in\n%s", r.log.bytes())
				}
				if bytes.Contains(r.log.bytes(), []byte("secret_value")) || strings.Contains(fmt.Sprint(audit), "secret_value") || len(audit) == 0 {
					t.Errorf("a value is in the audit %v, or in the log:\n%s", audit, r.log.bytes())
				}
			})
		})
	}
}

// adviser explains refusals by their SQLSTATE.
type adviser map[string]Explanation

func (a adviser) Passing(Refusal) bool { return true }

func (a adviser) Explain(_ context.Context, r Refusal) Explanation { return a[r.SQLState] }

func TestPoolerThatBreaksOffWhileSettingIsTold(t *testing.T) {
	for name, answer := range map[string][]byte{"closed": nil, "another message": message('G', 0)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.logIn()
					c.untilSync()
					c.send(answer)
				}, pooled(SetOthers))
				c := r.dial()
				c.send(startupPacket(3<<16, "user", "app_user", "a", "b"))
				c.expect(join(authRequest(0), keyData(7, []byte("key7"))))
				if fields := c.failed(); fields['S'] != "FATAL" || fields['C'] != map[string]string{"closed": "08006", "another message": "08004"}[name] {
					t.Errorf("client got %q", fields)
				}
				r.stop()
			})
		})
	}
}

func TestPoolerNegotiatesNothingButThreeDotZero(t *testing.T) {
	for _, test := range []struct {
		name    string
		version uint32
		options []string
		want    []byte
	}{
		{"3.0", 3 << 16, nil, nil},
		{"3.2", 3<<16 | 2, nil, message('v', 0, 3, 0, 0, 0, 0, 0, 0)},
		{"options", 3 << 16, []string{"_pq_.a", "_pq_.b"}, message('v', append([]byte{0, 3, 0, 0, 0, 0, 0, 2}, "_pq_.a\x00_pq_.b\x00"...)...)},
		{"both", 3<<16 | 9999, []string{"_pq_.test"}, message('v', append([]byte{0, 3, 0, 0, 0, 0, 0, 1}, "_pq_.test\x00"...)...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []byte
				r := newRig(t, func(c *databaseConn) {
					got = c.startup()
					c.send(authRequest(0), readyForQuery)
					c.untilTerminate()
				}, pooled(SetOthers))
				params := []string{"user", "app_user"}
				for _, name := range test.options {
					params = append(params, name, "x")
				}
				c := r.dial()
				c.send(startupPacket(test.version, params...))
				c.expect(join(test.want, authRequest(0), readyForQuery))
				c.Close()
				r.stop()
				if want := startupPacket(3<<16, "user", "app_user"); !bytes.Equal(got, want) {
					t.Errorf("server got %q, want %q", got, want)
				}
			})
		})
	}
}

// TestPoolerGetsNoTokenUnasked is about clients and ready logins, of which a database that
// is no pooler gets tokens early.
func TestPoolerGetsNoTokenUnasked(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		early  bool
	}{
		{"pooler", pooled(SetOthers), false},
		{"database", func(*Config) {}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var early, late atomic.Int64
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					heard := make(chan []byte, 1)
					go func() {
						m, _ := readMessage(c)
						heard <- m
					}()
					var password []byte
					select {
					case password = <-heard:
						early.Add(1)
					case <-time.After(100 * time.Millisecond): // by the bubble's clock: nothing comes
						late.Add(1)
					}
					c.send(authRequest(3))
					if password == nil {
						password = <-heard
					}
					if want := message('p', append([]byte(secretToken), 0)...); !bytes.Equal(password, want) {
						t.Errorf("the password is %q, want %q", password, want)
					}
					c.send(authRequest(0), keyData(7, []byte("key7")), readyForQuery)
					c.untilTerminate()
				}, func(cfg *Config) { test.change(cfg); cfg.Routes[0].ReadyLogins = 1 })
				for i := range 4 {
					c := r.dial()
					packet := plainStartup
					if i >= 2 { // no login is ready for these
						packet = startupPacket(3<<16, "user", "app_user", "application_name", fmt.Sprint(i))
					}
					c.send(packet)
					c.expect(join(authRequest(0), keyData(7, []byte("key7")), readyForQuery))
					c.send(terminate)
					c.Close()
					time.Sleep(time.Second)
				}
				r.stop()
				if (early.Load() > 0) != test.early || late.Load() == 0 || early.Load()+late.Load() < 5 {
					t.Errorf("%d logins with an early token, %d without", early.Load(), late.Load())
				}
				if r.log.hasLine("without an early token") {
					t.Errorf("a login was repeated:\n%s", r.log.bytes())
				}
			})
		})
	}
}

func TestPoolerDropsOrRefuses(t *testing.T) {
	guard := Setting{"statement_timeout", "30000"}
	const options = "-c search_path=secret_value -c TimeZone=UTC -c statement_timeout=1"
	synctest.Test(t, func(t *testing.T) {
		var got []byte
		r := newRig(t, func(c *databaseConn) {
			got = c.startup()
			c.send(authRequest(0), readyForQuery)
			c.expect(sets("statement_timeout", "30000"))
			c.send(answered, readyForQuery)
			c.untilTerminate()
		}, pooled(DropOthers, guard))
		for _, options := range []string{options, options, "secret_value"} {
			c := r.dial()
			c.send(startupPacket(3<<16, "user", "app_user", "options", options, "work_mem", "1MB"))
			c.expect(join(authRequest(0), readyForQuery))
			c.Close()
			synctest.Wait()
			if zone := []string{"user", "app_user", "TimeZone", "UTC"}; options != "secret_value" && !bytes.Equal(got, startupPacket(3<<16, zone...)) {
				t.Errorf("server got %q", got)
			}
		}
		r.stop()
		log := string(r.log.bytes())
		for _, line := range []string{`msg="start-up parameters dropped" route=` + host + ` server=Pool parameters="search_path, statement_timeout, work_mem"`, `parameters="options, work_mem"`} {
			if strings.Count(log, line) != 1 {
				t.Errorf("not once %q in\n%s", line, log)
			}
		}
		if strings.Contains(log, "secret_value") {
			t.Errorf("a value is in the log:\n%s", log)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) { t.Error("the server was dialled") }, pooled(RefuseOthers, guard))
		c := r.dial()
		c.send(startupPacket(3<<16, "user", "app_user", "options", options, "work_mem", "1MB"))
		fields := c.failed()
		if fields['C'] != "0A000" || fields['M'] != "Pool does not accept these start-up parameters: search_path, statement_timeout, work_mem" || fields['D'] == "" || fields['H'] == "" {
			t.Errorf("client got %q", fields)
		}
		c = r.dial()
		c.send(startupPacket(3<<16, "user", "app_user", "options", "secret_value"))
		if fields := c.failed(); fields['C'] != "42601" {
			t.Errorf("client got %q", fields)
		}
		r.stop()
		if bytes.Contains(r.log.bytes(), []byte("secret_value")) {
			t.Errorf("a value is in the log:\n%s", r.log.bytes())
		}
	})
}

// More settings than one SELECT has columns for take several.
func TestPoolerSetsMoreThanOneStatementTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queries []string
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), readyForQuery)
			for {
				m := c.untilSync()
				if len(m) == 0 || m[0] != 'P' {
					return
				}
				queries = append(queries, string(m[5:]))
				c.send(message('S', fmt.Appendf(nil, "n\x00%d\x00", len(queries))...), answered, readyForQuery)
			}
		}, pooled(SetOthers))
		var params []string
		for i := range settingsAtOnce + 1 {
			params = append(params, fmt.Sprintf("p%d", i), "")
		}
		c := r.dial()
		c.send(startupPacket(3<<16, append([]string{"user", "u"}, params...)...))
		c.expect(join(authRequest(0), setting("n", "1"), setting("n", "2"), readyForQuery))
		c.Close()
		r.stop()
		if n := []int{strings.Count(queries[0], "set_config"), strings.Count(queries[1], "set_config")}; !slices.Equal(n, []int{settingsAtOnce, 1}) {
			t.Errorf("%d settings by statement", n)
		}
	})
}

// Nothing but guards is set, so nothing else can be at fault.
func TestPoolerGuardThatFailsIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *databaseConn) {
			c.logIn()
			c.untilSync()
			c.send(errorPacket("SERROR", "VERROR", "C55P02", "Mcannot be changed now"))
		}, pooled(SetOthers, Setting{"statement_timeout", "30000"}, Setting{"TimeZone", "UTC"}))
		c := r.dial()
		c.send(plainStartup)
		c.expect(join(authRequest(0), keyData(7, []byte("key7"))))
		if fields := c.failed(); fields['H'] != causes.GuardFailed.Hint || !strings.HasSuffix(fields['D'], ": statement_timeout") {
			t.Errorf("client got %q", fields)
		}
		r.stop()
	})
}

// Guards are start-up parameters no more, so that RESET ALL takes them away.
func TestPoolerGuardsAreWarnedOfOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		guards []Setting
		want   int
	}{{"guards", []Setting{{"statement_timeout", "30000"}}, 1}, {"what the pooler takes", []Setting{{"TimeZone", "UTC"}}, 0}, {"none", nil, 0}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *databaseConn) {
					c.startup()
					c.send(authRequest(0), readyForQuery)
					c.untilSync()
					c.send(answered, readyForQuery)
					c.untilTerminate()
				}, pooled(SetOthers, test.guards...))
				for range 2 {
					c := r.dial()
					c.send(startupPacket(3<<16, "user", "app_user", "work_mem", "1MB"))
					c.expect(join(authRequest(0), readyForQuery))
					c.Close()
				}
				r.stop()
				log := string(r.log.bytes())
				if n := strings.Count(log, "level=WARN msg=\"clients lose these parameters by RESET ALL"); n != test.want || n > 0 && !strings.Contains(log, "parameters=statement_timeout hint=\""+guardsHint) {
					t.Errorf("%d warnings, want %d:\n%s", n, test.want, log)
				}
			})
		})
	}
}

// A ready login has its settings, and its client the messages about them.
func TestPoolerReadyLoginsAreSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logins := make(chan struct{}, 9)
		r := newRig(t, func(c *databaseConn) {
			c.startup()
			c.send(authRequest(0), readyForQuery)
			c.expect(sets("search_path", "shop"))
			c.send(setting("search_path", "shop"), answered, readyForQuery)
			logins <- struct{}{}
			c.untilTerminate()
		}, func(cfg *Config) { pooled(SetOthers)(cfg); cfg.Routes[0].ReadyLogins = 1 })
		for range 2 {
			c := r.dial()
			c.send(startupPacket(3<<16|2, "user", "app_user", "options", "-c search_path=shop"))
			c.expect(join(message('v', 0, 3, 0, 0, 0, 0, 0, 0), authRequest(0), setting("search_path", "shop"), readyForQuery))
			awaitReady()
			c.send(terminate)
			c.Close()
		}
		r.stop()
		if !r.log.hasLine("ready login handed out") || len(logins) < 2 {
			t.Errorf("%d logins, and none handed out:\n%s", len(logins), r.log.bytes())
		}
		if n := bytes.Count(r.log.bytes(), []byte("start-up parameters are set after the login")); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
	})
}

// Drivers that were given no key send zeros, or nothing in its place.
func TestCancelRequestWithoutAKeyIsToldOf(t *testing.T) {
	for name, request := range map[string][]byte{"zeros": codePacket(80877102, make([]byte, 8)...), "no secret": codePacket(80877102, make([]byte, 4)...)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dialled := 0
				r := newRig(t, func(c *databaseConn) {
					dialled++
					c.startup()
					c.send(authRequest(0), readyForQuery)
					c.untilTerminate()
				}, func(cfg *Config) { cfg.ForwardCancels = true })
				for range 2 {
					c := r.dial()
					c.send(plainStartup)
					c.expect(join(authRequest(0), readyForQuery))
					side := r.dial()
					side.send(request)
					side.expectEnd()
					c.Close()
				}
				synctest.Wait()
				r.stop()
				if dialled != 2 {
					t.Errorf("%d connections to the server, want one for each client", dialled)
				}
				log := string(r.log.bytes())
				if strings.Count(log, "the server sends no cancel keys") != 1 || strings.Count(log, "level=WARN msg=\"cancel request not delivered: the server sent its client no cancel key\"") != 2 {
					t.Errorf("the log says\n%s", log)
				}
			})
		})
	}
}
