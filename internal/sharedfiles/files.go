package sharedfiles

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// The variables that say where the files are.
const (
	ConfigVariable      = "AWS_CONFIG_FILE"
	CredentialsVariable = "AWS_SHARED_CREDENTIALS_FILE"
)

// File is one of the two files.
type File struct {
	Path string // absolute
	From string // the variable that names it; empty for the usual place
	Err  error  // why it could not be read; nil for a file that was

	sections []*section // in order
	odd      int        // the first line that is neither a section nor a key, and not beneath one; 0 for none
}

// Files are the two files, as they were read once.
type Files struct {
	Config, Credentials File
}

// Read reads both files from where the environment says.
func Read() Files {
	f := Files{Config: place(ConfigVariable, "config"), Credentials: place(CredentialsVariable, "credentials")}
	f.Config.read()
	f.Credentials.read()
	return f
}

// Paths are where Read reads.
func Paths() (config, credentials string) {
	return place(ConfigVariable, "config").Path, place(CredentialsVariable, "credentials").Path
}

// place finds a file as the AWS CLI does, which expands "~" and variables in
// what the environment says.
func place(variable, name string) File {
	path, from := filepath.Join(Home(), ".aws", name), ""
	if named := os.Getenv(variable); named != "" {
		path, from = Expand(named), variable
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return File{Path: path, From: from}
}

func (f *File) read() {
	text, err := os.ReadFile(f.Path)
	if err != nil {
		f.Err = err
		return
	}
	f.parse(decode(text))
}

// State says in words whether f was read.
func (f File) State() string {
	path := f.Path
	if f.From != "" {
		path += " (" + f.From + ")"
	}
	switch e, _ := f.Err.(*fs.PathError); {
	case f.Err == nil && f.odd > 0:
		return fmt.Sprintf("%s (line %d is neither a section nor a setting)", path, f.odd)
	case f.Err == nil:
		return path
	case os.IsNotExist(f.Err):
		return path + ", which does not exist"
	case e != nil:
		return fmt.Sprintf("%s, which cannot be read (%v)", path, e.Err)
	}
	return fmt.Sprintf("%s, which cannot be read (%v)", path, f.Err)
}

// Home is the user's home: HOME, or what the system knows when it is not set. It
// may be empty.
func Home() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

var (
	dollar  = regexp.MustCompile(`\$(\w+|\{[^}]*\})`)
	percent = regexp.MustCompile(`%(\w+)%`)
)

// Expand replaces variables and a "~" or "~user" at the start of path, as the
// AWS CLI does. What is not known stays as it is.
//
// Source: Python's os.path.expandvars and os.path.expanduser.
func Expand(path string) string {
	value := func(text string) string {
		if v, ok := os.LookupEnv(strings.Trim(text, "${}%")); ok {
			return v
		}
		return text
	}
	path = dollar.ReplaceAllStringFunc(path, value)
	if runtime.GOOS == "windows" {
		path = percent.ReplaceAllStringFunc(path, value)
	}
	if !strings.HasPrefix(path, "~") {
		return path
	}
	end := strings.IndexFunc(path, func(r rune) bool { return r == '/' || r == filepath.Separator })
	if end < 0 {
		end = len(path)
	}
	home := Home()
	if name := path[1:end]; name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return path
		}
		home = u.HomeDir
	}
	if home == "" {
		return path
	}
	return filepath.Clean(home) + path[end:]
}
