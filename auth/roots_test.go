package auth

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/testenv"
)

// header returns what the comment at the top of a generated file says.
func header(t *testing.T, text []byte, key string) string {
	t.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "# "+key+": "); ok {
			return value
		}
	}
	t.Fatalf("no %s in the header", key)
	return ""
}

func TestEmbeddedRootsAreRoots(t *testing.T) {
	for _, tc := range []struct {
		name   string
		text   []byte
		owners []string
	}{
		{"rds", rdsPEM, []string{"Amazon Web Services, Inc."}},
		{"amazon", amazonPEM, []string{"Amazon", "Starfield Technologies, Inc."}},
	} {
		date, err := time.Parse(time.DateOnly, header(t, tc.text, "Date"))
		if err != nil {
			t.Fatal(err)
		}
		certs, err := parseCertificates(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if want := header(t, tc.text, "Roots"); strconv.Itoa(len(certs)) != want {
			t.Errorf("%s: %d roots, the header says %s", tc.name, len(certs), want)
		}
		if roots := onlyRoots(slices.Clone(certs), date); len(roots) != len(certs) {
			t.Errorf("%s: only %d of %d were living roots on %s", tc.name, len(roots), len(certs), date)
		}
		seen := make(map[string]bool)
		for _, c := range certs {
			if seen[string(c.Raw)] {
				t.Errorf("%s: %s is there twice", tc.name, c.Subject)
			}
			seen[string(c.Raw)] = true
			if !slices.Contains(tc.owners, strings.Join(c.Subject.Organization, "|")) {
				t.Errorf("%s: %s belongs to somebody else", tc.name, c.Subject)
			}
		}
	}
}

func TestEmbeddedRootsCoverRegionsAndAlgorithms(t *testing.T) {
	roots, err := NewRoots(RootsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range roots.rds {
		names = append(names, c.Subject.CommonName)
	}
	for _, region := range []string{"us-east-1", "eu-central-1", "eu-central-2", "ap-northeast-1", "sa-east-1", "me-central-1", "af-south-1"} {
		for _, algorithm := range []string{"RSA2048", "RSA4096", "ECC384"} {
			if want := "Amazon RDS " + region + " Root CA " + algorithm + " G1"; !slices.Contains(names, want) {
				t.Errorf("no %s", want)
			}
		}
	}
	// Published at amazontrust.com/repository.
	const amazonRootCA1 = "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"
	if !slices.ContainsFunc(roots.amazon, func(c *x509.Certificate) bool {
		sum := sha256.Sum256(c.Raw)
		return hex.EncodeToString(sum[:]) == amazonRootCA1
	}) {
		t.Error("no Amazon Root CA 1")
	}
}

func TestExpiringRoots(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2040, 1, n, 0, 0, 0, 0, time.UTC) }
	until := func(name string, end time.Time) testenv.Authority {
		template := testenv.CATemplate(name)
		template.NotAfter = end
		return testenv.Sign(t, template, nil, nil)
	}
	late, early, mine := until("late", day(20)), until("early", day(10)), until("mine", day(15))
	path := filepath.Join(t.TempDir(), "ca.pem")
	testenv.Write(t, path, testenv.PEM(t, mine.Cert))
	roots := trusting(t, RootsConfig{CAFiles: []string{path}}, []testenv.Authority{late}, []testenv.Authority{early, late})
	for _, tc := range []struct {
		now    time.Time
		within time.Duration
		want   []string
	}{
		{day(1), 24 * time.Hour, nil},
		{day(9), 48 * time.Hour, []string{"early"}},
		{day(1), 30 * 24 * time.Hour, []string{"early", "mine", "late"}},
		{day(16), 0, []string{"early", "mine"}},
	} {
		var got []string
		for _, c := range roots.Expiring(tc.now, tc.within) {
			got = append(got, c.Subject.CommonName)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("on %s within %v: %v, want %v", tc.now.Format(time.DateOnly), tc.within, got, tc.want)
		}
	}
}

func TestCAFileErrorsSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	old := testenv.CATemplate("old")
	old.NotAfter = time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC)
	expired, living := testenv.Sign(t, old, nil, nil), testenv.NewCA(t, "living")
	for _, tc := range []struct {
		name, text, want string // want: in the error; empty: no error
	}{
		{"good", "some text\n" + testenv.PEM(t, living.Cert), ""},
		{"some expired", testenv.PEM(t, expired.Cert, living.Cert), ""},
		{"odd one among good", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + testenv.PEM(t, living.Cert), ""},
		{"empty", "", "no certificates"},
		{"DER", string(living.Cert.Raw), "no certificates"},
		{"key only", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no certificates"},
		{"garbage in PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x509"},
		{"all expired", testenv.PEM(t, expired.Cert), "expired, the last on 2020-02-29"},
		{"huge", strings.Repeat("x", maxCAFile+1), "larger than 8 MiB"},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(tc.name, " ", "-")+".pem")
		testenv.Write(t, path, tc.text)
		checkCAFile(t, path, tc.want, "PEM")
	}
	checkCAFile(t, filepath.Join(dir, "missing.pem"), "cannot find|no such file", "check the path")
	checkCAFile(t, dir, "directory|Incorrect function|handle is invalid", "PEM")
	if runtime.GOOS != "windows" && os.Geteuid() != 0 { // root may read everything
		path := filepath.Join(dir, "good.pem")
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		checkCAFile(t, path, "permission denied", "let the user")
	}
}

func checkCAFile(t *testing.T, path, want, hint string) {
	t.Helper()
	_, err := NewRoots(RootsConfig{CAFiles: []string{path}})
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return
	}
	if !causes.Misused(err) || !strings.Contains(causes.Hint(err), hint) || strings.Count(err.Error(), path) != 1 {
		t.Errorf("%s: %v; want a Misuse that names the file once, with hint %q", path, err, hint)
		return
	}
	for w := range strings.SplitSeq(want, "|") {
		if strings.Contains(err.Error(), w) {
			return
		}
	}
	t.Errorf("error %q, want one with %q", err, want)
}

// trusting returns Roots that know test authorities in place of AWS's.
func trusting(t *testing.T, cfg RootsConfig, rds, amazon []testenv.Authority) *Roots {
	t.Helper()
	r, err := NewRoots(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.rds, r.amazon = nil, nil
	for _, a := range rds {
		r.rds = append(r.rds, a.Cert)
	}
	for _, a := range amazon {
		r.amazon = append(r.amazon, a.Cert)
	}
	return r
}
