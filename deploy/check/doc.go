// Package check tests what is in deploy: it renders the chart and the kustomize base,
// decodes every manifest strictly into the types of Kubernetes, ECS, Compose, Nomad and
// Terraform, and looks at the facts that matter. It has no code itself.
//
// It is a module of its own, so that nothing else depends on Helm and client-go. The
// tests have _linux in their names, so that they are not vetted for the other systems,
// which would compile all of that again.
package check
