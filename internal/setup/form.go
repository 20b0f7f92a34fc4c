package setup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"charm.land/huh/v2"
)

// listed is how many choices are seen at a time.
const listed = 10

// Form asks on a terminal.
type Form struct {
	In  io.Reader
	Out io.Writer
	// Plain asks line by line, for terminals that cannot move the cursor.
	Plain bool
}

// Choose implements Asker. A person filters the list by typing.
func (f Form) Choose(ctx context.Context, title, help string, choices []Choice) (string, error) {
	var answer string
	options := make([]huh.Option[string], len(choices))
	for i, c := range choices {
		options[i] = huh.NewOption(c.Label, c.Value)
	}
	// What is typed stands where the title would.
	field := huh.NewSelect[string]().Title(title).Description(title + " – " + help + ". Type to filter.").Options(options...).
		Filtering(!f.Plain).Value(&answer)
	if len(choices) > listed {
		field = field.Height(listed + 3)
	}
	err := f.ask(ctx, field, title, func() string { return label(choices, answer) })
	return answer, err
}

// Text implements Asker.
func (f Form) Text(ctx context.Context, title, help string, check func(string) error) (string, error) {
	var answer string
	field := huh.NewInput().Title(title).Description(help).Validate(check).Value(&answer)
	err := f.ask(ctx, field, title, func() string { return answer })
	return answer, err
}

// Confirm implements Asker.
func (f Form) Confirm(ctx context.Context, title string, usual bool) (bool, error) {
	answer := usual
	field := huh.NewConfirm().Title(title).Value(&answer)
	err := f.ask(ctx, field, title, func() string { return map[bool]string{true: "yes", false: "no"}[answer] })
	return answer, err
}

// ask runs a form of one field, and leaves a line with question and answer behind.
func (f Form) ask(ctx context.Context, field huh.Field, title string, answer func() string) error {
	form := huh.NewForm(huh.NewGroup(field)).WithInput(f.In).WithOutput(f.Out).WithAccessible(f.Plain).WithShowHelp(true)
	err := form.RunWithContext(ctx)
	if errors.Is(err, huh.ErrUserAborted) {
		return ErrLeft
	}
	if err == nil && !f.Plain {
		fmt.Fprintf(f.Out, "%s: %s\n", title, answer())
	}
	return err
}

func label(choices []Choice, value string) string {
	for _, c := range choices {
		if c.Value == value {
			return c.Label
		}
	}
	return value
}
