// Package layout holds tests of the project as a whole: which package may import
// which, and that the pages of docs agree with the code. It has no code itself.
package layout
