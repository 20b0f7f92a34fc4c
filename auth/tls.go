package auth

import "crypto/tls"

// TLSConfig returns the client settings for one handshake with e: verify-full
// for e's host, whatever address was dialled, by the authorities of e's kind,
// with TLS 1.2 or newer. The caller owns the result and may add to it.
//
// Sessions are not cached: a resumed handshake would skip the chain, PostgreSQL gives
// out no session tickets to resume with, and a client behind a tunnel gains nothing
// from it.
//
// Source: PostgreSQL src/backend/libpq/be-secure-openssl.c, SSL_OP_NO_TICKET.
func (r *Roots) TLSConfig(e Endpoint) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: e.Host,
		RootCAs:    r.pool(e),
		// PostgreSQL up to 17 agrees on P-256 only, unless ssl_ecdh_curve says
		// otherwise. Go's first guess is X25519, which costs every login a
		// HelloRetryRequest: a round trip through the tunnel.
		CurvePreferences: []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521},
	}
}
