package running

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The number of a process that was killed is another's soon: this one's, say.
func TestRecordWithARecycledNumberIsForgotten(t *testing.T) {
	r := registry{t.TempDir()}
	for name, at := range map[string]int64{"another time": created(os.Getpid()) - 1, "no time": 0} {
		path := filepath.Join(r.dir, "proxy-1.json")
		content := fmt.Sprintf(`{"pid":%d,"created":%d,"targets":[{"name":"k","address":"127.0.0.1:5432"}]}`, os.Getpid(), at)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := find(r, "k"); ok {
			t.Errorf("%s: found %+v", name, got)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: its file is still there (%v)", name, err)
		}
	}
}
