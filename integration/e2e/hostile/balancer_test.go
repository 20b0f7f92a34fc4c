package hostile

import (
	"bytes"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"

	"github.com/pgkeyless/pgkeyless/integration/rig"
)

// A header that says that its client is elsewhere lets no other user of this machine
// in: bash sends it, and a StartupMessage, as nobody.
func TestHeaderOfAnotherUser(t *testing.T) {
	w := rig.Start(t, rig.Setup{Flags: []string{"--proxy-protocol", "--allow-anyone"}})
	startup := append([]byte{0, 0, 0, 36, 0, 3, 0, 0}, "user\x00app_user\x00database\x00app\x00\x00"...)
	for _, header := range []string{"PROXY TCP4 203.0.113.9 192.0.2.1 4711 5432\r\n", "PROXY UNKNOWN\r\n"} {
		var script strings.Builder
		for _, b := range append([]byte(header), startup...) {
			script.WriteString(`\x` + hex.EncodeToString([]byte{b}))
		}
		host, port, _ := strings.Cut(w.Proxy.Addresses()[0], ":")
		cmd := exec.CommandContext(t.Context(), "bash", "-c", "exec 3<>/dev/tcp/"+host+"/"+port+"; printf '"+script.String()+"' >&3; cat <&3")
		rig.RunAs(t, "nobody", cmd)
		said, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(said, []byte("C28000\x00")) || !bytes.Contains(said, []byte("belongs to nobody")) {
			t.Errorf("%q: %v: %q", header, err, said)
		}
	}
	if n := len(w.AWS.Sessions()); n != 0 {
		t.Errorf("%d SSM sessions were started for somebody else", n)
	}
}
