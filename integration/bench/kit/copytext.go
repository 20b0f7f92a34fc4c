package kit

import "io"

// RowLength is that of every row of COPY text here, with its line feed.
const RowLength = 1024

// What COPY FROM goes into: read and parsed, not stored.
const (
	CreateSinkSQL = "create temp table sink(line text)"
	UploadSQL     = "copy sink from stdin where false"
)

// Source is COPY text of one column.
type Source struct {
	row  [RowLength]byte
	left int
	at   int
}

// NewSource makes n bytes, or as many as whole rows have.
func NewSource(n int) *Source {
	s := &Source{left: n - n%RowLength}
	for i := range s.row {
		s.row[i] = 'a' + byte(i%23)
	}
	s.row[RowLength-1] = '\n'
	return s
}

// Read gives rows until all are given.
func (s *Source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && s.left > 0 {
		m := copy(p[n:], s.row[s.at:])
		s.at = (s.at + m) % RowLength
		s.left -= m
		n += m
	}
	return n, nil
}
