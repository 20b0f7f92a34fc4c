package setup

import (
	"context"
	"fmt"
	"io"

	tea "charm.land/bubbletea/v2"
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
	// Until gives a context that a signal ends, with an error of its own as the cause, until
	// stop is called. A signal must not end the process while it has the terminal.
	Until func(context.Context) (until context.Context, stop func())
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
	if f.Plain {
		return form.RunWithContext(ctx)
	}
	if err := f.show(ctx, form); err != nil {
		return err
	}
	if form.State == huh.StateAborted {
		return ErrLeft
	}
	fmt.Fprintf(f.Out, "%s: %s\n", title, answer())
	return nil
}

// show runs form until it is answered or left, or ctx ends. It is what form's own Run does,
// but that a person who leaves and ctx quit as an answer does: a program that is interrupted
// or killed closes what it reads keys from without waiting for its reader, which is then in
// the way of what comes next (bubbletea v2.1.1).
func (f Form) show(ctx context.Context, form *huh.Form) error {
	form.SubmitCmd, form.CancelCmd = tea.Quit, tea.Quit
	ctx, done := f.Until(ctx)
	defer done()
	program := tea.NewProgram(dialogue{form}, tea.WithInput(f.In), tea.WithOutput(f.Out), tea.WithoutSignalHandler())
	quit := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(quit)
		program.Quit()
	})
	_, err := program.Run()
	if !stop() {
		<-quit
		return context.Cause(ctx)
	}
	return err
}

// dialogue is a form as a program.
type dialogue struct{ *huh.Form }

// Update implements tea.Model.
func (d dialogue) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	_, cmd := d.Form.Update(msg) // which returns itself
	return d, cmd
}

// View implements tea.Model.
func (d dialogue) View() tea.View {
	v := tea.NewView(d.Form.View())
	v.ReportFocus = true
	return v
}

func label(choices []Choice, value string) string {
	for _, c := range choices {
		if c.Value == value {
			return c.Label
		}
	}
	return value
}
