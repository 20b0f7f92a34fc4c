// Package checkup finds out, link by link, what is wrong on the path to a target:
// it makes the observations that package doctor reports and that `policy --check`
// prints. What AWS says comes from discover and evidence, the connection from
// targets and proxy.
package checkup
