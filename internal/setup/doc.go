// Package setup asks a person for a target, has it checked, and writes it to a config
// file.
//
//	flags ─┐
//	answers ┴─► profile ► region ► database ► jump host ► user ► check ► file
//
// What a flag says is not asked. Without anybody to ask, what is missing is an error.
// Nothing is written before the last answer, so that whoever leaves leaves nothing behind.
package setup
