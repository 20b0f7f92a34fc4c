// Package kit is what the benchmark programs have in common: samples and
// the flat numbers made of them, cells of a Markdown table, what a process has
// used, COPY text, and how the program is called.
//
// Samples, Numbers and the functions on them are for one goroutine at a time.
// CPU time and memory come from /proc; other systems have none.
package kit
