// Package plugin holds the requirement on AWS's genuine session-manager-plugin,
// in a module of its own so that nothing of it reaches the product's go.mod.
//
// The integration tests and benchmarks build the plugin from here and run it
// against the emulated AWS: what the genuine client can do there, byte for
// byte, shows that the emulator is faithful. Build it by hand with
//
//	go build -C integration/conformance/plugin -o DIR/session-manager-plugin github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main
//
// The plugin has no go.mod of its own; github.com/twinj/uuid is held at the
// revision of 2015 that its code was written for, since NewV4 returns something
// else later.
package plugin
