package doctor

import (
	"crypto/x509"
	"time"
)

// Facts is what was found out about a deployment. Nil, or empty, is not known.
type Facts struct {
	Now     time.Time
	Dir     string // deployment directory
	DirFlag string // " -C DIR" for commands to type; empty where none is needed

	NoConfig     string   // why there is no regctl.yaml to go by
	ConfigFaults []string // what is wrong with it
	ConfigError  string   // why it cannot be read
	Stack        *Stack   // nil: no valid regctl.yaml
	ReadOnly     string   // why nothing can be written in the directory

	Engine   *Engine
	Compose  *Compose
	Owner    string // the directory that has the project's containers, if it is another one
	Services []Service
	Memory   *Memory

	Door    *Door
	Ports   []Port
	Names   *Names
	Smoke   *Smoke
	Door80  *Plain
	NginxAt *NginxConf
	Storage *RegistryConf

	Certificate *Certificate
	Images      []Image
	Users       *Users
	Files       []File
	Drift       []Drift
	DriftError  string
	Disks       []Disk
	Logs        []Log

	Schedule   *Schedule
	Runs       []Run
	Drill      *Drill     // nil: there is no backup to be drilled on
	DrillLeft  []Leftover // containers and volumes of drills that are over
	Containers []Leftover // one-off containers of runs that are over
	HoldAge    *time.Duration
	Temporary  []string // files of writes that were killed
	Halfway    []string // marks of runs that were killed
	Lock       *Lock
}

// Stack is what regctl.yaml says.
type Stack struct {
	Project, Domain, URL string
	TLSMode              string // letsencrypt, selfsigned or files
	HTTPSPort, HTTPPort  int
	Age                  time.Duration // since the deployment was made; 0: not known
}

// Engine is the Docker Engine.
type Engine struct {
	Error, Hint string // why it cannot be used
	Version     string
	API         string // version spoken
}

// Compose is Docker Compose.
type Compose struct{ Error, Version string }

// Service is a service and its container.
type Service struct {
	Name     string
	State    string // of the container: running, exited, …; empty: there is none
	Health   string // healthy, unhealthy, starting or empty
	ExitCode int
	Restarts int
	OOM      bool // the kernel killed it, or a process of it, for want of memory
	Started  time.Time
	Said     string // its last line
}

// Memory is that of the host, in bytes.
type Memory struct{ Available, Total int64 }

// Door is what the front door answered, as far as it came.
type Door struct {
	Address   string // that was dialled
	DialError string // no connection
	TLSError  string // a connection, but no TLS
	Chain     []*x509.Certificate
	Error     string // no answer to GET /v2/
	Hangs     bool   // for it was waited too long
	Status    int    // of GET /v2/ without a password; 0: none
	Challenge string // scheme that it asked for, in lower case
	HSTS      time.Duration
	Skew      time.Duration // of its clock against this one
	Body      int           // status of a request that announced 64 MiB; 0: not known
	BodyError string        // why that was not answered
}

// Port is a port of this host that the stack publishes.
type Port struct {
	Number int
	Key    string // in regctl.yaml
	Ours   bool   // a container of this stack has it
	Taken  bool   // something listens
	By     string // what, as far as it is known
}

// Names is what the domain leads to, for this host. It is nil where the domain is
// an address or localhost.
type Names struct {
	Error     string // that the resolver gave
	Addresses []Address
}

// Address is one that the domain has.
type Address struct {
	IP    string
	Local bool   // of this host
	Error string // why it could not be reached on the port
	Leaf  string // SHA-256 of the certificate served there
}

// Smoke is a failed push or pull, in the words of pkg/smoke.
type Smoke struct{ Step, Cause, Error, Meaning string }

// Plain is what plain HTTP on the port for ACME answers.
type Plain struct {
	Error  string
	Status int
}

// NginxConf is what Nginx's configuration on disk says, where that is short of
// what a registry needs.
type NginxConf struct {
	Timeouts map[string]time.Duration // by directive
	HTTP2    bool
}

// RegistryConf is the registry's configuration, with what the container's
// environment changes.
type RegistryConf struct {
	Delete       bool
	RelativeURLs bool
	Cache        string // of blob descriptors: inmemory, redis; empty: none
}

// Certificate is the pair on disk and what goes with it.
type Certificate struct {
	Error    string // why there is none
	Chain    []*x509.Certificate
	Names    []string       // that it has to cover
	Roots    *x509.CertPool // whom clients are to trust; nil: the system's
	Renewal  []string       // what is wrong with the renewal, a line each
	Renews   bool           // cert renew looks after it
	Selfmade bool           // the local CA signs
}

// Image is an image of the stack.
type Image struct {
	Service string
	Ref     string
	Here    bool   // on this host
	Same    bool   // the container was made of it
	Running bool   // there is a container
	Version string // the program's own words: 3.1.2; empty: not known
	Default string // reference that this regctl would take
}

// Users is the user file and what goes with it.
type Users struct {
	Error       string // why it cannot be read
	Missing     bool
	RightsError string
	List        []User
	Faults      []Fault
	Strays      []string             // names with rights that are no users
	Seen        map[string]time.Time // last in the access log; nil: not known
	LogSince    time.Time            // when the access log begins
}

// User is one user.
type User struct {
	Name    string
	Line    int    // in the file
	Scheme  string // bcrypt, apr1, sha1, crypt or unknown
	Cost    int
	Expires *time.Time
}

// Fault is something wrong with a line of the user file.
type Fault struct {
	Line    int
	Message string
	Fatal   bool
}

// File is a file or directory whose permissions matter.
type File struct {
	Path  string // relative to the deployment directory
	Error string
	Mode  uint32 // permission bits
	Most  uint32 // bits that it may have
	UID   int
	Owner int // who should own it
}

// Drift is a rendered file that is not as it would be rendered.
type Drift struct {
	Path  string
	State string // missing, outdated, edited, foreign or current
	Mode  bool   // its permissions differ
}

// Disk is a file system that the deployment needs; sizes in bytes.
type Disk struct {
	What               string // the images, the deployment directory
	Path               string
	Free, Total        int64
	Inodes, InodesFree int64    // 0: not counted there
	Samples            []Sample // of its free space, oldest first
}

// Log is the log of a service.
type Log struct {
	Service string
	Driver  string
	Bounded bool
	Size    int64 // bytes; 0: not known
}

// Schedule is what runs by itself.
type Schedule struct {
	Error     string // why it cannot be known
	Wanted    int    // jobs that regctl.yaml asks for
	Installed bool
	Twice     bool
	Current   bool
	Problems  []string
}

// Run is when a kind of work was done last.
type Run struct {
	Kind      string        // gc, …
	Last      *time.Time    // nil: never
	Every     time.Duration // how often it should be done at least
	Scheduled bool          // it runs by itself
	Damage    bool          // the last one met damage
	Command   string        // regctl gc
}

// Drill is what became of the drills of the backups.
type Drill struct {
	Last       *time.Time // nil: never
	LastPassed *time.Time // nil: none did
	Every      time.Duration
	Scheduled  bool
	Snapshot   string // of the last
	Passed     bool
	Error      string // why it has no verdict
	Failed     int    // tags, and manifests without one, that did not come whole
	Problems   int    // blobs that could not be restored
	First      string // of what failed, and why
}

// Leftover is a one-off container, or a volume of a drill.
type Leftover struct {
	Name string
	Age  time.Duration
}

// Lock is who holds the deployment's lock.
type Lock struct {
	PID     int
	Command string
	Since   time.Duration
}
