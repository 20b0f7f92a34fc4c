package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestBalancers(t *testing.T) {
	for _, test := range []struct{ flags, want, wrong string }{
		{flags: "", want: "[]"},
		{flags: "proxy-protocol-from=10.0.0.5", want: "[]"},
		{flags: "proxy-protocol allow-anyone", want: "[127.0.0.0/8 ::1/128]"},
		{flags: "proxy-protocol allow-anyone proxy-protocol-from=10.0.0.5,10.1.2.3/24,2001:db8::/32,::ffff:192.0.2.1", want: "[10.0.0.5/32 10.1.2.0/24 2001:db8::/32 192.0.2.1/32]"},
		{flags: "proxy-protocol auth=scram auth-file=f", want: "[127.0.0.0/8 ::1/128]"},
		{flags: "proxy-protocol", wrong: "clients prove nothing"},
		{flags: "proxy-protocol-from=balancer", wrong: `"balancer" is no IP address or CIDR`},
		{flags: "proxy-protocol-from=10.0.0.5,,10.0.0.6", wrong: `"" is no IP address or CIDR`},
		{flags: "proxy-protocol-from=10.0.0.0/33", wrong: "no IP address or CIDR"},
		{flags: "proxy-protocol-from=::ffff:10.0.0.0/104", wrong: "no IP address or CIDR"},
		{flags: "proxy-protocol-from=fe80::1%eth0", wrong: "no IP address or CIDR"},
	} {
		in := Input{Targets: []string{orders}, Flags: flags("via", jump)}
		for flag := range strings.FieldsSeq(test.flags) {
			name, value, given := strings.Cut(flag, "=")
			if !given {
				value = "true"
			}
			in.Flags[name] = value
		}
		cfg, err := Load(in)
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s: got %v, want %q", test.flags, err, test.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.flags, err)
			continue
		}
		if got := fmt.Sprint(cfg.Run.Balancers()); got != test.want {
			t.Errorf("%s: got %s, want %s", test.flags, got, test.want)
		}
	}
}
