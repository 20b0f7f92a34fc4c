package main

import (
	"crypto/tls"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	bulkQuery = "bulk"
	bulkParts = 16
	// bulkPart is PostgreSQL's send buffer, and so what it puts in a TLS record.
	//
	// Source: PQ_SEND_BUFFER_SIZE in PostgreSQL's pqcomm.c.
	bulkPart = 8 << 10
)

// fake lets everybody in, over TLS and with any password, and answers every
// query with nothing, but bulkQuery with more than fits into anybody's first
// buffer: a database whose idle connections cost little.
type fake struct {
	listener net.Listener
	tls      *tls.Config
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once it is closed
}

// startFake has the certificate and the key in PEM. The caller must close it.
func startFake(chain, key []byte) (*fake, error) {
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	f := &fake{tls: &tls.Config{
		Certificates: []tls.Certificate{certificate},
		// Go begins with records of a packet, PostgreSQL does not.
		DynamicRecordSizingDisabled: true,
	}, conns: map[net.Conn]struct{}{}}
	if f.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	f.wg.Go(f.accept)
	return f, nil
}

func (f *fake) address() string { return f.listener.Addr().String() }

// close ends every connection and waits for their goroutines.
func (f *fake) close() {
	f.listener.Close()
	f.mu.Lock()
	for c := range f.conns {
		c.Close()
	}
	f.conns = nil
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *fake) accept() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		if !f.take(c) {
			return
		}
	}
}

// dial makes a connection that takes no file.
func (f *fake) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	if !f.take(ours) {
		return nil, net.ErrClosed
	}
	return theirs, nil
}

// take serves c, and closes it at its end. It is false, and c closed, once f is.
func (f *fake) take(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil {
		c.Close()
		return false
	}
	f.conns[c] = struct{}{}
	f.wg.Go(func() {
		defer func() {
			c.Close()
			f.mu.Lock()
			delete(f.conns, c)
			f.mu.Unlock()
		}()
		_ = f.serve(c)
	})
	return true
}

// serve is one connection, from SSLRequest to its end.
func (f *fake) serve(c net.Conn) error {
	if _, err := pgproto3.NewBackend(c, c).ReceiveStartupMessage(); err != nil {
		return err
	}
	if _, err := c.Write([]byte{'S'}); err != nil {
		return err
	}
	secure := tls.Server(c, f.tls)
	backend := pgproto3.NewBackend(secure, secure)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return err
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := backend.Flush(); err != nil {
		return err
	}
	if err := backend.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return err
	}
	if _, err := backend.Receive(); err != nil {
		return err
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	for _, p := range [][2]string{
		{"server_version", "15.0"}, {"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"},
		{"TimeZone", "UTC"}, {"standard_conforming_strings", "on"},
	} {
		backend.Send(&pgproto3.ParameterStatus{Name: p[0], Value: p[1]})
	}
	backend.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for {
		if err := backend.Flush(); err != nil {
			return err
		}
		m, err := backend.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.Terminate:
			return nil
		case *pgproto3.Query:
			if m.String == bulkQuery {
				if err := f.sendBulk(backend); err != nil {
					return err
				}
			}
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 0")})
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
}

// sendBulk sends a table of one row in each part.
func (f *fake) sendBulk(backend *pgproto3.Backend) error {
	backend.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("bulk"), DataTypeOID: 25, DataTypeSize: -1}}})
	row := pgproto3.DataRow{Values: [][]byte{make([]byte, bulkPart-11)}} // with its head
	for range bulkParts {
		backend.Send(&row)
		if err := backend.Flush(); err != nil {
			return err
		}
	}
	return nil
}
