package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/regctl/regctl/templates"
)

// functions write values as the files they stand in want them.
var functions = template.FuncMap{
	"specifier": specifier,
	"word":      word,
	"argument":  argument,
	"command":   command,
	"optional":  func(path string) string { return "-" + path },
	"seconds":   func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) },
	"shell":     shell,
}

func execute(name string, data any) (string, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(functions).ParseFS(templates.Schedule(), name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return "", err
	}
	return b.String(), nil
}

// specifier keeps systemd from replacing %n and its like.
func specifier(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// word is text as one word of a setting that takes several.
func word(text string) string {
	return `"` + strings.ReplaceAll(specifier(text), `"`, `\"`) + `"`
}

// argument is text as an argument of ExecStart=, which replaces variables too.
func argument(text string) string {
	return word(strings.ReplaceAll(text, "$", "$$"))
}

// command is a command line for ExecStart=. Words that mean nothing else are
// written as they are, so that it can be read.
func command(binary string, args []string) string {
	words := []string{word(binary)}
	for _, a := range args {
		if !isPlain(a) {
			a = argument(a)
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// shell is text as one word in a crontab's command. Crons end the command at a
// % unless a backslash stands before it; those that do not leave the backslash
// to the shell, which takes it away as long as it is not within quotes. So the
// quotes end before a % and begin again after it. No other backslash is written.
func shell(text string) string {
	if isPlain(text) {
		return text
	}
	text = strings.ReplaceAll(text, `'`, `'"'"'`)
	return `'` + strings.ReplaceAll(text, `%`, `'\%'`) + `'`
}

func isPlain(text string) bool {
	for _, r := range text {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._:=,@+-", r)) {
			return false
		}
	}
	return text != ""
}

// unitName is the name of a job's units, without .service and .timer.
func unitName(project, job string) string { return "regctl-" + project + "-" + job }

// unitMark is the first line of a unit that regctl wrote.
const unitMark = "# Written by `regctl schedule install`; `regctl schedule remove` takes it away."

// units renders a service and a timer for each job, services first: a timer
// never stands there without what it starts.
func (s Schedule) units() (names []string, files map[string]string, err error) {
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	files = map[string]string{}
	for _, kind := range []string{"service", "timer"} {
		for _, j := range s.Jobs {
			name := unitName(s.Project, j.Name)
			text, err := execute(kind+".tmpl", struct {
				Schedule
				Job
				Name, Mark string
			}{s, j, name, unitMark})
			if err != nil {
				return nil, nil, err
			}
			names = append(names, name+"."+kind)
			files[name+"."+kind] = text
		}
	}
	return names, files, nil
}

// longestLine is what a crontab's line may have: the command is at most 999
// characters in Debian's cron, which is the tightest.
const longestLine = 999

// block renders the part of a crontab, marks and all; "" without jobs.
func (s Schedule) block() (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	if len(s.Jobs) == 0 {
		return "", nil
	}
	text, err := execute("crontab.tmpl", struct {
		Schedule
		Begin, End string
	}{s, beginMark(s.Project), endMark(s.Project)})
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if len(line) > longestLine {
			return "", fmt.Errorf("a line of %d characters is too long for a crontab: %.60s…", len(line), line)
		}
	}
	return text, nil
}

func beginMark(project string) string { return "# BEGIN regctl schedule " + project }

func endMark(project string) string { return "# END regctl schedule " + project }
