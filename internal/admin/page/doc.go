// Package page draws the status page: a status.Document as HTML, for people.
//
//	Document ──► view (what is wrong first, texts and numbers for people) ──► elements ──► HTML
//	                                                                          style.css, script.js
//
// The page needs nothing but itself: style and script are part of it and carry a
// nonce, charts are SVG that is drawn here, and there is no asset to fetch. It works
// without JavaScript. The script asks for the part that changes every two seconds
// (Options.Part), and puts it in place of the old one, node by node.
//
// The elements are Go functions rather than a template: text/template and html/template
// call methods by name, which keeps the linker from dropping any method of any type, and
// so doubles the size of the binary. Every text is escaped by gomponents.
//
// The package serves nothing: internal/admin decides who sees the page, and does what
// its buttons ask for.
package page
