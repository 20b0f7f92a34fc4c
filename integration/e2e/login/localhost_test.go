package login

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// nodeClient takes localhost for what the resolver names first, as Node.js 17 to 19
// do: ::1, which is what this lookup answers. It asks for TLS as a client does.
const nodeClient = `
const net = require("net");
const c = net.connect({host: "localhost", port: +process.argv[1], autoSelectFamily: false,
  lookup: (name, options, answer) => options.all ? answer(null, [{address: "::1", family: 6}]) : answer(null, "::1", 6)});
c.on("connect", () => c.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])));
c.on("data", (b) => { console.log(c.remoteAddress, b.toString()); c.destroy(); });
c.on("error", (e) => { console.log(e.code); process.exit(1); });
`

// localhost is ::1 for some clients, with no second try at 127.0.0.1.
func TestLocalhostIsServedOnIPv6(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skipf("this machine has no ::1: %v", err)
	} else {
		l.Close()
	}
	w := rig.Start(t, rig.Setup{})
	_, port, err := net.SplitHostPort(w.Proxy.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"::1", "127.0.0.1", "localhost"} {
		for _, mode := range []string{"disable", "require"} {
			out, errs, err := rig.Psql(t, "host="+host+" port="+port+" user=app_user dbname=app sslmode="+mode, "-c", rig.WhoAmI)
			if err != nil || out != rig.ItsMe {
				t.Errorf("psql -h %s, sslmode=%s: %q, %v\n%s", host, mode, out, err, errs)
			}
		}
	}
	t.Run("Node.js", func(t *testing.T) {
		node, err := exec.LookPath("node")
		if err != nil {
			t.Skip("node is missing")
		}
		out, err := exec.CommandContext(t.Context(), node, "-e", nodeClient, port).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != "::1 S" {
			t.Errorf("node got %q, %v; want the answer S of ::1", got, err)
		}
	})
}
