package doctor

import (
	"fmt"
	"time"
)

func deploymentChecks() []Check {
	return []Check{
		{ID: "RC001", Severity: Error, Title: "there is no deployment",
			Why:  "without regctl.yaml regctl does not know what to look at",
			Mend: "regctl init DIR --domain HOST; or name the directory with --dir",
			look: func(f *Facts) []sighting {
				if f.NoConfig == "" {
					return nil
				}
				return saw("%s", f.NoConfig)
			}},
		{ID: "RC002", Severity: Error, Title: "regctl.yaml is invalid or cannot be read",
			Why:  "nothing can be rendered or changed until it is put right; what runs goes on as it is",
			Mend: "regctl config validate{dir}",
			look: func(f *Facts) []sighting {
				var out []sighting
				for _, fault := range f.ConfigFaults {
					out = append(out, sighting{seen: fault})
				}
				if f.ConfigError != "" {
					out = append(out, sighting{seen: "it cannot be read: " + f.ConfigError, mend: "make regctl.yaml a file that you may read, or run regctl as who may"})
				}
				return out
			}},
		{ID: "RC003", Severity: Error, Title: "the Docker Engine cannot be used",
			Why:  "the stack runs in it",
			Mend: "systemctl status docker",
			look: func(f *Facts) []sighting {
				if f.Engine == nil || f.Engine.Error == "" {
					return nil
				}
				return []sighting{{seen: f.Engine.Error, mend: f.Engine.Hint}}
			}},
		{ID: "RC004", Severity: Warning, Title: "the Docker Engine is too old",
			Why:  "regctl needs API version 1.41 (Engine 20.10) for what it runs next to the images",
			Mend: "update Docker Engine",
			look: func(f *Facts) []sighting {
				if f.Engine == nil || f.Engine.API == "" || !older(f.Engine.API, "1.41") {
					return nil
				}
				return saw("Engine %s speaks API version %s", f.Engine.Version, f.Engine.API)
			}},
		{ID: "RC005", Severity: Error, Title: "Docker Compose version 2 or later is missing",
			Why:  "it starts and stops the stack",
			Mend: "install the plugin: apt-get install docker-compose-plugin, or docker-compose of your distribution if that is version 2",
			look: func(f *Facts) []sighting {
				if f.Compose == nil || f.Compose.Error == "" {
					return nil
				}
				return saw("%s", f.Compose.Error)
			}},
		{ID: "RC006", Severity: Error, Title: "another deployment has the same project name",
			Why:  "both would take each other's containers and volume for their own",
			Mend: "give this one another name: project in regctl.yaml",
			look: func(f *Facts) []sighting {
				if f.Owner == "" {
					return nil
				}
				return saw("the project's containers belong to %s", f.Owner)
			}},
	}
}

func stackChecks() []Check {
	each := func(is func(Service) string) func(*Facts) []sighting {
		return func(f *Facts) []sighting {
			if f.down() {
				return nil
			}
			var out []sighting
			for _, s := range f.Services {
				if seen := is(s); seen != "" {
					out = append(out, sighting{seen: s.Name + " " + seen})
				}
			}
			return out
		}
	}
	return []Check{
		{ID: "RC007", Severity: Error, Title: "the stack is down",
			Why:  "nobody can pull or push",
			Mend: "regctl up{dir}",
			look: func(f *Facts) []sighting {
				if !f.down() {
					return nil
				}
				return saw("no service has a container")
			}},
		{ID: "RC008", Severity: Error, Title: "a service does not run",
			Why:  "the registry needs all three of them",
			Mend: "regctl up{dir}; if it ends again: regctl logs{dir}",
			look: each(func(s Service) string {
				switch {
				case s.State == "":
					return "has no container"
				case s.State == "exited" || s.State == "dead":
					return fmt.Sprintf("is %s with status %d; it said: %s", s.State, s.ExitCode, s.Said)
				case s.State != "running":
					return fmt.Sprintf("is %s; it said: %s", s.State, s.Said)
				}
				return ""
			})},
		{ID: "RC009", Severity: Error, Title: "a service is unhealthy",
			Why:  "it runs, but does not answer its own health check",
			Mend: "regctl logs{dir}; then regctl restart{dir}",
			look: each(func(s Service) string {
				if s.State != "running" || s.Health != "unhealthy" {
					return ""
				}
				return "is unhealthy; it said: " + s.Said
			})},
		{ID: "RC010", Severity: Warning, Title: "a service keeps being restarted",
			Why:  "each time, transfers under way are cut off",
			Mend: "regctl logs{dir} says why it ended; regctl restart{dir} begins a new count",
			look: func(f *Facts) []sighting {
				return each(func(s Service) string {
					// One that has run for a day has got over it.
					if s.Restarts < manyRestarts || f.Now.Sub(s.Started) > steady {
						return ""
					}
					return fmt.Sprintf("was restarted %d times, last %s ago", s.Restarts, days(f.Now.Sub(s.Started)))
				})(f)
			}},
		{ID: "RC011", Severity: Warning, Title: "a service was killed for want of memory",
			Why:  "it will be again, in the middle of a push",
			Mend: "give the host more memory, or take another program's away; a limit may be in docker-compose.override.yml; then regctl up{dir}, or regctl restart{dir} where nothing changed",
			look: each(func(s Service) string {
				if !s.OOM {
					return ""
				}
				return "met the kernel's out-of-memory killer"
			})},
		{ID: "RC012", Severity: Warning, Title: "the host is short of memory",
			Why:  "the kernel then ends programs, Docker or the registry among them",
			Mend: "free -m; ps aux --sort=-rss | head shows who has it",
			look: func(f *Facts) []sighting {
				m := f.Memory
				if m == nil || m.Total == 0 || m.Available > m.Total/20 && m.Available > 64<<20 {
					return nil
				}
				return saw("%s of %s is available", size(m.Available), size(m.Total))
			}},
	}
}

// manyRestarts is more than a reboot of the host or an update of Docker makes;
// steady is how long a service has to run before they are forgotten.
const (
	manyRestarts = 3
	steady       = 24 * time.Hour
)

// down tells a stack of which nothing is there.
func (f *Facts) down() bool {
	for _, s := range f.Services {
		if s.State != "" {
			return false
		}
	}
	return len(f.Services) > 0
}
