// Package page draws the status page: a status.Document as HTML, for people.
//
//	Document ──► view (what is wrong first, texts and numbers for people) ──► page.html ──► HTML
//	                                                                          style.css, script.js
//
// The page needs nothing but itself: style and script are part of it and carry a
// nonce, charts are SVG that is drawn here, and there is no asset to fetch. It works
// without JavaScript. The script asks for the part that changes every two seconds
// (Options.Part), and puts it in place of the old one, node by node.
//
// The package serves nothing: internal/admin decides who sees the page, and does what
// its buttons ask for.
package page
