// Package running is the registry of this user's running proxies, and how clients
// reach what they serve.
//
// Each process writes one file into the private runtime directory and keeps it
// locked: a record whose lock is free belongs to a process that has ended. The
// files are read by connect, exec, env, service-file, and by a start that finds
// its port taken.
package running
