package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what a container has used of the machine.
type usage struct {
	cpu    time.Duration // since its start, user and system
	memory int64         // bytes now, see [resident]
}

// usage asks the Engine. One that cannot tell (it has mixed hierarchies of
// control groups, and logs "no metrics received") answers with zeros: then the
// control groups themselves are read.
func (e *engine) usage(c container) (usage, error) {
	if !e.mute {
		var s stats
		// one-shot: else the Engine waits a second for a second sample.
		if err := e.get("/containers/"+c.id+"/stats?stream=false&one-shot=true", &s); err != nil {
			return usage{}, err
		}
		if u := s.usage(); u.cpu != 0 {
			return u, nil
		}
		e.mute = true // it takes a second to say nothing
	}
	return groupUsage("/", c.pid)
}

// stats is what we need of the Engine's figures.
type stats struct {
	CPU struct {
		Usage struct {
			Total int64 `json:"total_usage"` // ns
		} `json:"cpu_usage"`
	} `json:"cpu_stats"`
	Memory struct {
		Stats map[string]int64 `json:"stats"`
	} `json:"memory_stats"`
}

func (s *stats) usage() usage {
	return usage{time.Duration(s.CPU.Usage.Total), resident(s.Memory.Stats)}
}

// resident is the memory of a control group's programs, their own and what they
// share (Nginx's zones). Not what the group uses in all: that is mostly files that
// were read or written and the kernel's bookkeeping of them, which go when memory
// runs short. The names differ between versions 1 and 2 of cgroups, and of version
// 1 the Engine does not tell the shared part.
func resident(stats map[string]int64) int64 {
	own, shared := "total_rss", "total_shmem"
	if _, ok := stats[own]; !ok {
		own, shared = "anon", "shmem"
	}
	return stats[own] + stats[shared]
}

// groupUsage reads the control groups of a process, of either version; root is /
// except in tests.
func groupUsage(root string, pid int) (usage, error) {
	at := filepath.Join(root, "proc", strconv.Itoa(pid), "cgroup")
	text, err := os.ReadFile(at)
	if err != nil {
		return usage{}, err
	}
	where := map[string]string{} // controller to directory; "" is version 2
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			return usage{}, fmt.Errorf("%s: not a line of control groups: %q", at, line)
		}
		for _, controller := range strings.Split(part[1], ",") {
			where[controller] = filepath.Join(root, "sys/fs/cgroup", controller, path.Clean("/"+part[2]))
		}
	}
	if where["cpuacct"] != "" && where["memory"] != "" {
		return readGroup(filepath.Join(where["cpuacct"], "cpuacct.usage"), "", time.Nanosecond, where["memory"])
	}
	return readGroup(filepath.Join(where[""], "cpu.stat"), "usage_usec", time.Microsecond, where[""])
}

// readGroup reads CPU time out of a file, under a key of it or alone, in a unit.
func readGroup(cpu, key string, unit time.Duration, memory string) (usage, error) {
	used, err := numbers(cpu)
	if err != nil {
		return usage{}, err
	}
	parts, err := numbers(filepath.Join(memory, "memory.stat"))
	return usage{time.Duration(used[key]) * unit, resident(parts)}, err
}

// numbers reads a file of lines of a key and a number, or of a number alone.
func numbers(file string) (map[string]int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 1 {
			fields = slices.Insert(fields, 0, "")
		}
		if len(fields) != 2 {
			continue
		}
		if all[fields[0]], err = strconv.ParseInt(fields[1], 10, 64); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return all, nil
}
