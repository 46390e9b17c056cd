package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestGroupUsage(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  usage
	}{
		"version 1": {map[string]string{
			"proc/7/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/docker/x\n",
			"sys/fs/cgroup/cpuacct/docker/x/cpuacct.usage": "1500\n",
			"sys/fs/cgroup/memory/docker/x/memory.stat":    "cache 1\ntotal_cache 700\ntotal_rss 200\ntotal_shmem 30\n",
		}, usage{1500, 230}},
		"version 2": {map[string]string{
			"proc/7/cgroup": "0::/system.slice/docker-x.scope\n",
			"sys/fs/cgroup/system.slice/docker-x.scope/cpu.stat":    "usage_usec 12\nuser_usec 5\n",
			"sys/fs/cgroup/system.slice/docker-x.scope/memory.stat": "anon 200\nfile 700\nshmem 30\n",
		}, usage{12 * time.Microsecond, 230}},
	} {
		root := t.TempDir()
		for path, text := range test.files {
			at := filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := groupUsage(root, 7)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, test.want)
		}
		if _, err := groupUsage(root, 8); err == nil {
			t.Errorf("%s: no error for a process that is not there", name)
		}
	}
}

func TestEngineStats(t *testing.T) {
	for text, want := range map[string]usage{
		`{"cpu_stats":{"cpu_usage":{"total_usage":42}},"memory_stats":{"usage":1000,"stats":{"total_rss":200,"rss":1,"total_cache":700}}}`: {42, 200},
		`{"cpu_stats":{"cpu_usage":{"total_usage":42}},"memory_stats":{"usage":1000,"stats":{"anon":200,"file":700,"shmem":30}}}`:          {42, 230},
		`{"read":"0001-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{}}`:                                    {},
	} {
		var s stats
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.usage(); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}
