// Package cluster runs the manifests of deploy under podman, with the container image
// that scripts/build-image makes, against the emulated account and a real database. The
// pods have a network namespace of their own.
//
// The test is the kubelet where podman 4 is none: it starts the containers of a pod in
// order, asks the probes, and ends them. Podman does not know sidecars, which are init
// containers to it, nor Jobs, nor volumes from Secrets.
package cluster
