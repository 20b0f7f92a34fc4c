package faults

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig"
	"github.com/pgkeyless/pgkeyless/integration/rig/awsemu"
)

// rows is a source of n bytes of COPY text: lines of hexadecimal digits, the
// same for the same seed.
type rows struct {
	rnd  *rand.ChaCha8
	left int
	buf  []byte
	sum  hash.Hash
}

const rowLength = 1024 // with its line feed

func newRows(seed byte, n int) *rows {
	return &rows{rnd: rand.NewChaCha8([32]byte{seed}), left: n - n%rowLength, sum: sha256.New()}
}

func (r *rows) Read(p []byte) (int, error) {
	if len(r.buf) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		raw := make([]byte, (rowLength-2)/2)
		r.rnd.Read(raw)
		r.buf = append(hex.AppendEncode(make([]byte, 0, rowLength), raw), 'x', '\n')
		r.left -= rowLength
		r.sum.Write(r.buf)
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

// upAndDown copies n bytes into a table and back out, with during called after
// each way has begun, and compares SHA-256.
func upAndDown(ctx context.Context, conn *pgx.Conn, table string, n int, during func()) error {
	if _, err := conn.Exec(ctx, "create temp table "+table+"(id bigserial, line text)"); err != nil {
		return err
	}
	source := newRows(byte(len(table)), n)
	if _, err := conn.PgConn().CopyFrom(ctx, &midway{r: source, at: n / 3, do: during}, "copy "+table+"(line) from stdin"); err != nil {
		return fmt.Errorf("copying up: %w", err)
	}
	sum := sha256.New()
	sink := &midway{w: sum, at: n / 3, do: during}
	buffered := bufio.NewWriterSize(sink, 64<<10)
	if _, err := conn.PgConn().CopyTo(ctx, buffered, "copy (select line from "+table+" order by id) to stdout"); err != nil {
		return fmt.Errorf("copying down: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if sink.n != n-n%rowLength {
		return fmt.Errorf("%d bytes came back, want %d", sink.n, n-n%rowLength)
	}
	if up, down := hex.EncodeToString(source.sum.Sum(nil)), hex.EncodeToString(sum.Sum(nil)); up != down {
		return fmt.Errorf("SHA-256 up %s, down %s", up, down)
	}
	return nil
}

// midway passes bytes on and calls do once when at bytes have gone by.
type midway struct {
	r  io.Reader
	w  io.Writer
	n  int
	at int
	do func()
}

func (m *midway) Read(p []byte) (int, error)  { n, err := m.r.Read(p); m.count(n); return n, err }
func (m *midway) Write(p []byte) (int, error) { n, err := m.w.Write(p); m.count(n); return n, err }

func (m *midway) count(n int) {
	if m.n < m.at && m.n+n >= m.at && m.do != nil {
		m.do()
	}
	m.n += n
}

func TestFiftyMegabytesBothWays(t *testing.T) {
	w := rig.Start(t, rig.Setup{Emulator: func(c *awsemu.Config) {
		c.Pace = 100 * time.Microsecond // ten times the agent's, and no more than a busy machine takes
	}})
	begin := time.Now()
	if err := upAndDown(t.Context(), w.Connect(""), "bulk", 50<<20, nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("50 MiB up and down in %v", time.Since(begin).Round(time.Millisecond))
}

func TestFiftyClientsAtOnce(t *testing.T) {
	w := rig.Start(t, rig.Setup{})
	var clients sync.WaitGroup
	for i := range 50 {
		clients.Go(func() {
			if err := askTenTimes(w, i); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	clients.Wait()
	if n := len(w.AWS.Sessions()); n > 4 {
		t.Errorf("fifty clients used %d SSM sessions, want 4 at most", n)
	}
}

// askTenTimes logs in as client i and asks for what no other client asks for.
func askTenTimes(w *rig.World, i int) error {
	conn, err := w.TryConnect("sslmode=" + []string{"disable", "require"}[i%2])
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for j := range 10 {
		text := fmt.Sprintf("%d/%d ", i, j)
		var got string
		if err := conn.QueryRow(w.T.Context(), "select repeat($1::text, 1000)", text).Scan(&got); err != nil {
			return err
		}
		if got != strings.Repeat(text, 1000) {
			return fmt.Errorf("query %d: %d bytes of somebody else's answer", j, len(got))
		}
	}
	return nil
}
