package eventloop_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/pgkeyless/pgkeyless/proxy/eventloop"
)

// A Group relays between two sockets until the client's stream ends.
func Example() {
	client, fromClient := socketPair()
	database, toDatabase := socketPair()
	defer client.Close()
	defer database.Close()
	answered := make(chan string, 1)
	go func() {
		fmt.Fprint(client, "how are you?")
		answer := make([]byte, len("fine"))
		if _, err := io.ReadFull(client, answer); err != nil {
			log.Print(err)
		}
		answered <- string(answer)
		client.CloseWrite()
	}()
	go func() {
		if _, err := io.ReadFull(database, make([]byte, len("how are you?"))); err != nil {
			log.Print(err)
		}
		fmt.Fprint(database, "fine")
	}()

	var group eventloop.Group
	defer group.Close()
	near, far := eventloop.Wrap(fromClient), eventloop.Wrap(toDatabase) // before anything else is done with them
	defer near.Close()
	defer far.Close()
	ended := make(chan eventloop.Result)
	if !group.Relay(context.Background(), near, far, nil, nil, nil, func(r eventloop.Result) { ended <- r }) {
		log.Fatal("this system relays in another way")
	}
	result := <-ended
	fmt.Printf("the client heard %q: %d bytes up, %d down\n", <-answered, result.Up, result.Down)
	fmt.Println("the client's way ended first:", result.Ended == eventloop.Up, result.Err)
	// Output:
	// the client heard "fine": 12 bytes up, 4 down
	// the client's way ended first: true EOF
}

// socketPair returns the two ends of a TCP connection.
func socketPair() (far *net.TCPConn, near net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	far, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		log.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		log.Fatal(err)
	}
	return far, near
}
