package fidelity

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/pgkeyless/pgkeyless/integration/rig/pgserver"
)

// talk is one exchange as it goes on, over one way.
type talk struct {
	way   way
	admin *pgx.Conn
	wire  *wire   // the way to the database, where it can be cut
	peers []*peer // by their number
	now   int     // which of them the steps are for

	effects []string // what the database says became of it
}

// step does one thing.
type step func(*talk) error

func (k *talk) peer() *peer { return k.peers[k.now] }

// as makes connection number n of the exchange do steps; the others are number 0's.
func as(n int, steps ...step) step {
	return func(k *talk) error {
		before := k.now
		defer func() { k.now = before }()
		k.now = n
		return k.do(steps)
	}
}

func (k *talk) do(steps []step) error {
	for i, s := range steps {
		if err := s(k); err != nil {
			return fmt.Errorf("step %d of connection %d: %w", i+1, k.now, err)
		}
	}
	return nil
}

// open connects, and sends first packets as they are.
func open(user string, packets ...[]byte) step {
	return func(k *talk) error {
		p, err := newPeer(k.way)
		if err != nil {
			return err
		}
		p.user = user
		for len(k.peers) <= k.now {
			k.peers = append(k.peers, nil)
		}
		k.peers[k.now] = p
		_, err = p.conn.Write(bytes.Join(packets, nil))
		return err
	}
}

// startup connects as user and sends a StartupMessage with further parameters.
func startup(version uint32, user string, parameters ...string) step {
	return open(user, startupPacket(version, append([]string{"user", user}, parameters...)...))
}

// login is what most exchanges begin with.
func login(parameters ...string) step {
	return loginAs(pgserver.AppUser, append([]string{"database", pgserver.Database}, parameters...)...)
}

func loginAs(user string, parameters ...string) step {
	return func(k *talk) error {
		return k.do([]step{startup(3<<16, user, parameters...), await("Z")})
	}
}

// send writes messages at once.
func send(messages ...[]byte) step {
	return func(k *talk) error {
		_, err := k.peer().conn.Write(bytes.Join(messages, nil))
		return err
	}
}

// sendUntilRefused writes messages, and does not mind when the other side has
// gone.
func sendUntilRefused(messages ...[]byte) step {
	return func(k *talk) error {
		k.peer().conn.Write(bytes.Join(messages, nil))
		return nil
	}
}

// await waits for a message of each kind in turn, whatever else comes between.
func await(kinds string) step {
	return func(k *talk) error {
		for _, kind := range kinds {
			if _, err := k.peer().await(string(kind)); err != nil {
				return err
			}
		}
		return nil
	}
}

// ended waits for the end of the stream.
var ended = await(string(rune(kindEnd)))

// shutWriting says that no more will be sent. Whether the other side has gone
// before is for what is read next to tell.
func shutWriting(k *talk) error {
	p := k.peer()
	var err error
	if p.conn != p.raw {
		err = p.conn.(interface{ CloseWrite() error }).CloseWrite()
	}
	err = errors.Join(err, p.raw.(interface{ CloseWrite() error }).CloseWrite())
	if errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// hangUp closes the connection without a word of the protocol.
func hangUp(k *talk) error {
	k.peer().leave()
	return k.peer().conn.Close()
}

// reset ends the connection by a TCP reset, or on a Unix socket by closing it.
func reset(k *talk) error {
	p := k.peer()
	p.leave()
	if tcp, ok := p.raw.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return p.raw.Close()
}

// sql asks the database, over a connection of its own, and notes the answer.
// $pid is the backend of the current connection.
func sql(question string) step {
	return func(k *talk) error {
		answer, err := k.ask(question)
		if err != nil {
			return err
		}
		k.effects = append(k.effects, question+": "+answer)
		return nil
	}
}

// prepare is sql whose answer is of no interest; it may come first.
func prepare(statement string) step {
	return func(k *talk) error {
		_, err := k.admin.Exec(context.Background(), statement)
		return err
	}
}

func (k *talk) ask(question string) (string, error) {
	if strings.Contains(question, "$pid") {
		question = strings.ReplaceAll(question, "$pid", strconv.Itoa(int(k.peer().pid)))
	}
	rows, err := k.admin.Query(context.Background(), question, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return "", err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToMap)
	return fmt.Sprint(all), err
}

// until asks the database again and again until the answer is true.
func until(question string) step {
	return func(k *talk) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		question := strings.ReplaceAll(question, "$pid", strconv.Itoa(int(k.peer().pid)))
		for {
			var yes bool
			if err := k.admin.QueryRow(ctx, question, pgx.QueryExecModeSimpleProtocol).Scan(&yes); err != nil {
				return fmt.Errorf("%s: %w", question, err)
			}
			if yes {
				return nil
			}
			if _, err := k.admin.Exec(ctx, "select pg_sleep(0.003)"); err != nil {
				return err
			}
		}
	}
}

// backendGone waits until the database has no session for the connection.
var backendGone = until("select not exists (select from pg_stat_activity where pid = $pid)")

// backendWaits waits until the connection's backend does, for something of that name.
func backendWaits(event string) step {
	return until("select exists (select from pg_stat_activity where pid = $pid and wait_event = '" + event + "')")
}

// cancel sends a CancelRequest for the current connection, and waits until the
// other side closes.
func cancel(k *talk) error {
	p := k.peer()
	conn, err := k.way.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, byte(12 + len(p.key)), 0x04, 0xd2, 0x16, 0x2e}, p.pid)
	if _, err := conn.Write(append(request, p.key...)); err != nil {
		return err
	}
	r, err := readRecord(conn)
	if err == nil {
		return fmt.Errorf("cancel request answered with %v", r)
	}
	k.effects = append(k.effects, "cancel request: "+ending(err))
	return nil
}
