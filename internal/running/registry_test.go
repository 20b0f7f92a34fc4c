package running

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// find finds what has that name.
func find(r registry, name string) (Served, bool) {
	for _, s := range r.served() {
		if s.Name == name {
			return s, true
		}
	}
	return Served{}, false
}

func TestRunningProxyIsFound(t *testing.T) {
	r := registry{t.TempDir()}
	orders, billing := Served{Name: "orders", Address: "127.0.0.1:5432", Socket: "/s/.s.PGSQL.5432"}, Served{Name: "billing", Address: "127.0.0.1:5433"}
	a, err := r.announce(nil, []Served{orders}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := find(r, "orders"); !ok || !reflect.DeepEqual(got, orders) {
		t.Errorf("found %+v, %t; want orders", got, ok)
	}
	if got, ok := find(r, "billing"); ok {
		t.Errorf("found %+v, which nobody serves", got)
	}
	if a, err = r.announce(a, []Served{billing}, nil); err != nil { // after a reload
		t.Fatal(err)
	}
	if got, ok := find(r, "billing"); !ok || !reflect.DeepEqual(got, billing) {
		t.Errorf("found %+v, %t; want billing", got, ok)
	}
	if _, ok := find(r, "orders"); ok {
		t.Error("orders is found after it was taken out")
	}
	a.close()
	if _, ok := find(r, "billing"); ok {
		t.Error("found after its end")
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "proxy-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, ".proxy-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// dead is the number of a process that has ended.
func dead(t *testing.T) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestDeadProxyIsForgotten(t *testing.T) {
	r := registry{t.TempDir()}
	path := filepath.Join(r.dir, "proxy-1.json")
	content := `{"pid":` + strconv.Itoa(dead(t)) + `,"targets":[{"name":"k","address":"127.0.0.1:5432"}]}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := find(r, "k"); ok {
		t.Errorf("found %+v of a dead process", got)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("its file is still there (%v)", err)
	}
}

func TestForeignRecordsAreNotTrusted(t *testing.T) {
	r := registry{t.TempDir()}
	a, err := r.announce(nil, []Served{{Name: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if err := os.WriteFile(filepath.Join(r.dir, "proxy-0.json"), []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := find(r, "k"); !ok {
		t.Error("a broken file hides the others")
	}
	if runtime.GOOS == "windows" {
		t.Skip("files have no rights of their own on Windows")
	}
	if err := os.Chmod(a.path, 0o622); err != nil {
		t.Fatal(err)
	}
	if got, ok := find(r, "k"); ok {
		t.Errorf("found %+v in a file that anybody may have written", got)
	}
}

// Readers open a record, and the next moment a reload has put another in its
// place: they must neither lose the new one nor remove it.
func TestReadersBesideAReload(t *testing.T) {
	r := registry{t.TempDir()}
	a, err := r.announce(nil, []Served{{Name: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, ok := find(r, "k"); !ok {
					t.Error("a reader does not find the proxy")
					return
				}
			}
		})
	}
	for range 100 {
		if a, err = r.announce(a, []Served{{Name: "k"}}, nil); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	readers.Wait()
	if _, ok := find(r, "k"); !ok {
		t.Error("the record is gone")
	}
	a.close()
}
