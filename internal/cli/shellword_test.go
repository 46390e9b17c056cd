package cli

import (
	"os"
	"os/exec"
	"testing"
)

// What is printed to be typed means the same to a shell.
func TestShellWord(t *testing.T) {
	for _, word := range []string{
		"", "plain", "/opt/registry", "a b", "it's", "''", `"`, "$HOME", "`id`", "a;b", "*", "~", "-x", "ä", "a\nb", `\`, "a&b", "#a", "a=b", "{a,b}", "!",
	} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q is quoted as %s, which a shell reads as %q (%v)", word, shellWord(word), out, err)
		}
	}
	for _, word := range []string{"plain", "/opt/registry", "a_b-c.d:5000/e@f+g%h,i"} {
		if got := shellWord(word); got != word {
			t.Errorf("%s is quoted without need: %s", word, got)
		}
	}
}

func TestDirFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		wd: "", defaultDir: "", "/srv/registry": " -C /srv/registry", "/srv/my registry": " -C '/srv/my registry'",
	} {
		if got := dirFlag(dir); got != want {
			t.Errorf("dirFlag(%q) = %q, want %q", dir, got, want)
		}
	}
}

// The directory that is used when nothing names one.
func TestDefaultDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	app, _, _ := inProcess()
	if dir, err := app.chooseDir(); err != nil || dir != "/opt/registry" {
		t.Errorf("%q, %v", dir, err)
	}
	if err := os.WriteFile("regctl.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := app.chooseDir(); err != nil || dir != wd {
		t.Errorf("%q, %v, want the working directory %q", dir, err, wd)
	}
}
