// Package pluginrun builds AWS's genuine session-manager-plugin from the module
// in integration/conformance/plugin and runs it as the AWS CLI would.
//
//	Build ── go build -C integration/conformance/plugin ──► binary
//	Start ── StartSession (SDK) ──► response ── argv ──► binary ──► Address, a local port
//
// The process gets an environment of its own making: nothing of the caller's
// AWS settings, home or profile reaches it.
package pluginrun
