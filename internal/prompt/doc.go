// Package prompt asks the person who started a run: for an MFA code on the
// terminal, for an SSO login in the browser.
package prompt
