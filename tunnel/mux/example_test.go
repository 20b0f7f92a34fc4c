package mux_test

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pgkeyless/pgkeyless/tunnel/mux"
)

// A Mux has no connection of its own: a carrier moves its bytes. This one leads to
// an agent whose targets send back what they get, and as smux frames look the same
// both ways, all that it has to do is to return them.
func Example() {
	m := mux.New(mux.Config{})
	var carrier sync.WaitGroup
	stop := make(chan struct{})
	carrier.Go(func() {
		message := make([]byte, 1024)
		for {
			select {
			case <-m.Ready():
			case <-stop:
				return
			}
			for n := m.Fill(message); n > 0; n = m.Fill(message) {
				if err := m.Deliver(message[:n]); err != nil {
					fmt.Println(err)
				}
			}
		}
	})

	for _, text := range []string{"select 1", "select 2"} {
		stream, err := m.OpenStream() // a net.Conn
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Fprint(stream, text)
		answer := make([]byte, len(text))
		_, err = io.ReadFull(stream, answer)
		fmt.Printf("%v: %s, %v\n", stream.LocalAddr(), answer, err)
		stream.Close()
	}

	last, err := m.OpenStream()
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Fail(errors.New("the carrier is gone"))
	_, err = last.Read(make([]byte, 1))
	fmt.Printf("%v: %v, %v\n", last.LocalAddr(), err, errors.Is(err, mux.ErrClosed))
	close(stop)
	carrier.Wait()

	// Output:
	// stream 3: select 1, <nil>
	// stream 5: select 2, <nil>
	// stream 7: tunnel closed: the carrier is gone, true
}
