// Package config is regctl.yaml, the one file a deployment is rendered from:
// its types, defaults, validation and schema.
//
// It is strict, since a key that is silently ignored is a setting someone
// believes in: unknown keys, wrong types and values that contradict each other
// are refused, all of them in one go and each with its path and line. It reads
// and writes no file but the one Load is given, knows nothing of Docker, and is
// imported by everything that renders.
package config

// FileName is the name of the file in a deployment directory.
const FileName = "regctl.yaml"

// Version is the format of regctl.yaml that this package reads and writes.
const Version = 1

// Values of tls.mode.
const (
	ModeLetsEncrypt = "letsencrypt"
	ModeSelfSigned  = "selfsigned"
	ModeFiles       = "files"
)

// Config is the whole of regctl.yaml. The tags of its fields are the single
// source for the decoder, the defaults, the example file and the JSON schema:
//
//	yaml, json  the key, the same in both
//	doc         what the key means, one line
//	default     the value when the key is left out, as it would be written;
//	            a string that has one cannot be made empty
//	example     shown in the example file where there is no default to show;
//	            for a list "a,b", for a map "k=v,k=v"
//	required    "true": the key has to be there, and not empty
//	show        "true": written by Marshal even when it is the default
//	enum        the values allowed, separated by |
//	min, max    bounds of a number or a duration, as it would be written
//	format      a check by name, see formatNamed
//
// On a list or a map, enum, min, max and format are about each element. Keys
// that have to be there stand first.
//
// Values that Parse returns have every default filled in; lists and maps in
// them are empty rather than nil.
type Config struct {
	Version int    `yaml:"version" json:"version" default:"1" required:"true" doc:"format of this file"`
	Project string `yaml:"project" json:"project" required:"true" format:"project" example:"registry" doc:"Compose project name: the prefix of the stack's containers and volumes"`
	Domain  string `yaml:"domain" json:"domain" required:"true" format:"host" example:"registry.example.com" doc:"host name or IP address that clients use, without scheme or port"`

	Bind      string `yaml:"bind" json:"bind" format:"ip" example:"192.0.2.10" doc:"IP address of this host to publish the ports on; left out: all of them"`
	HTTPSPort int    `yaml:"https_port" json:"https_port" default:"443" min:"1" max:"65535" doc:"port that clients push to and pull from"`
	HTTPPort  int    `yaml:"http_port" json:"http_port" min:"0" max:"65535" example:"80" doc:"port of plain HTTP, for answers to ACME alone, 0 for none; left out: 80 for http-01, else 0"`

	TLS      TLS      `yaml:"tls" json:"tls" doc:"where the certificate comes from"`
	ACME     ACME     `yaml:"acme" json:"acme" doc:"account at the certificate authority, only under letsencrypt"`
	Registry Registry `yaml:"registry" json:"registry" doc:"the registry service"`
	Nginx    Nginx    `yaml:"nginx" json:"nginx" doc:"the service in front of it"`

	StopGrace Duration `yaml:"stop_grace" json:"stop_grace" default:"5m" min:"1s" max:"1h" doc:"how long a stop waits for uploads in flight"`

	Immutable []string `yaml:"immutable" json:"immutable" format:"tag-pattern" example:"release/**:v*" doc:"tags that are never moved or deleted once pushed, REPOSITORY:TAG; * within a component, ** across components"`

	GC        GC        `yaml:"gc" json:"gc" doc:"what a garbage collection takes and keeps"`
	Retention Retention `yaml:"retention" json:"retention" doc:"which tags go with a garbage collection; without rules: none"`

	Schedule Schedule `yaml:"schedule" json:"schedule" doc:"for regctl schedule: crontab fields (30 4 * * sun), six-hourly, daily, weekly, monthly, or off"`

	Backup Backup `yaml:"backup" json:"backup" doc:"where backups go, who can read them, which stay"`

	Users Users `yaml:"users" json:"users" doc:"the people and machines that log in"`

	Certs Certs `yaml:"certs" json:"certs" doc:"what goes with certificates, whatever issues them"`
}

// TLS says where the certificate of the front door comes from.
type TLS struct {
	Mode  string   `yaml:"mode" json:"mode" enum:"letsencrypt|selfsigned|files" show:"true" example:"selfsigned" doc:"source of the certificate; left out: letsencrypt for a public name, else selfsigned"`
	Names []string `yaml:"names" json:"names" format:"host" example:"mirror.example.com" doc:"further host names and IP addresses that the certificate is to cover"`
	Cert  string   `yaml:"cert" json:"cert" format:"path" example:"/etc/ssl/registry.pem" doc:"with files: PEM certificate chain; a relative path starts in the deployment directory"`
	Key   string   `yaml:"key" json:"key" format:"path" example:"/etc/ssl/registry.key" doc:"with files: PEM private key of the certificate"`
}

// ACME is the account at the certificate authority and what to ask it for.
type ACME struct {
	Email          string  `yaml:"email" json:"email" format:"email" example:"admin@example.com" doc:"address the certificate authority may write to"`
	Server         string  `yaml:"server" json:"server" format:"https-url" example:"https://acme-v02.api.letsencrypt.org/directory" doc:"ACME directory; left out: that of Let's Encrypt"`
	CA             string  `yaml:"ca" json:"ca" format:"path" example:"/etc/ssl/step-ca.pem" doc:"PEM certificates that vouch for the ACME server itself; left out: those of the system"`
	AgreeTOS       bool    `yaml:"agree_tos" json:"agree_tos" example:"true" doc:"you have read the certificate authority's terms of service and agree to them"`
	Challenge      string  `yaml:"challenge" json:"challenge" default:"http-01" format:"challenge" doc:"how to prove that the names are yours: http-01 (port 80) or dns-01"`
	DNS            ACMEDNS `yaml:"dns" json:"dns" doc:"the provider of the names' DNS, with dns-01"`
	KeyType        string  `yaml:"key_type" json:"key_type" default:"ec256" enum:"ec256|ec384|rsa2048|rsa3072|rsa4096" doc:"kind of the certificate's key"`
	Profile        string  `yaml:"profile" json:"profile" example:"tlsserver" doc:"profile of the certificate authority; left out: its default, and shortlived for an IP address at Let's Encrypt"`
	PreferredChain string  `yaml:"preferred_chain" json:"preferred_chain" example:"ISRG Root X1" doc:"common name of the root to chain to, where the certificate authority offers several"`
	EAB            ACMEEAB `yaml:"eab" json:"eab" doc:"external account, where the certificate authority asks for one"`
}

// ACMEDNS is how dns-01 is answered.
type ACMEDNS struct {
	Provider    string   `yaml:"provider" json:"provider" format:"dns-provider" example:"cloudflare" doc:"acmedns, cloudflare, desec, digitalocean, duckdns, exec, gandiv5, hetzner, httpreq or porkbun"`
	Credentials string   `yaml:"credentials" json:"credentials" format:"path" example:"private/dns.env" doc:"file of lines NAME=VALUE that only its owner can read; left out: the environment"`
	Resolvers   []string `yaml:"resolvers" json:"resolvers" format:"host-port" example:"192.0.2.53:53" doc:"DNS servers to ask whether the record is out; left out: those of the system"`
	Wait        Duration `yaml:"wait" json:"wait" max:"1h" example:"30s" doc:"wait so long instead of asking whether the record is out"`
}

// ACMEEAB binds the account to one that the certificate authority knows otherwise.
type ACMEEAB struct {
	KeyID    string `yaml:"key_id" json:"key_id" example:"kid-1" doc:"identifier of the external account"`
	HMACFile string `yaml:"hmac_file" json:"hmac_file" format:"path" example:"private/eab-hmac" doc:"file with its HMAC key in base64url that only its owner can read; left out: $REGCTL_EAB_HMAC_KEY"`
}

// Certs is what goes with certificates.
type Certs struct {
	Hooks CertHooks `yaml:"hooks" json:"hooks" doc:"programs to run"`
}

// CertHooks are programs that regctl runs.
type CertHooks struct {
	Deployed []string `yaml:"deployed" json:"deployed" example:"/usr/local/bin/copy-certificate" doc:"program and arguments, run after another certificate has been put into use"`
	Timeout  Duration `yaml:"timeout" json:"timeout" default:"1m" min:"1s" max:"1h" doc:"how long it may run"`
}

// Registry is the registry service.
type Registry struct {
	Image    string `yaml:"image" json:"image" default:"registry:3.1.2" show:"true" format:"image" doc:"image reference of the registry"`
	LogLevel string `yaml:"log_level" json:"log_level" default:"warn" enum:"error|warn|info|debug" doc:"least severity that the registry logs"`
	Metrics  bool   `yaml:"metrics" json:"metrics" default:"false" doc:"the registry counts requests, inside its container alone; regctl status --prometheus takes that along"`
}

// Nginx is the service in front of the registry.
type Nginx struct {
	Image string `yaml:"image" json:"image" default:"nginx:1.30.6-alpine" show:"true" format:"image" doc:"image reference of Nginx; it has to ship the njs module"`
}

// GC says what a garbage collection takes and keeps. Blobs that nothing reaches
// always go.
type GC struct {
	DeleteUntagged    bool     `yaml:"delete_untagged" json:"delete_untagged" default:"false" doc:"manifests go too that no tag, no index and no subject keeps"`
	UntaggedOlderThan Duration `yaml:"untagged_older_than" json:"untagged_older_than" default:"3d" doc:"with delete_untagged: how long such a manifest stays, for what still runs it by its digest"`
	Grace             Duration `yaml:"grace" json:"grace" default:"1h" doc:"how long something stays that nothing reaches; longer than the longest push"`
	KeepTrash         Duration `yaml:"keep_trash" json:"keep_trash" default:"1d" doc:"how long a collection can be undone, and its bytes stay; 0s: not at all"`
	CosignTags        bool     `yaml:"cosign_tags" json:"cosign_tags" default:"false" doc:"tags of cosign's signatures, attestations and SBOMs go with what they are about"`
	KeepRunning       bool     `yaml:"keep_running" json:"keep_running" default:"true" doc:"what a container on this Engine uses stays, whatever the rules"`
}

// Retention says which tags are kept; see pkg/retention.
type Retention struct {
	MaxDelete int             `yaml:"max_delete" json:"max_delete" default:"50" min:"0" max:"100" doc:"percent of all tags; more, or every tag of a repository, goes only with --yes"`
	Rules     []RetentionRule `yaml:"rules" json:"rules" doc:"a tag goes when a rule is about it and none that is keeps it"`
}

// RetentionRule keeps tags of some repositories. It has to keep something.
type RetentionRule struct {
	Repositories     []string   `yaml:"repositories" json:"repositories" required:"true" format:"repository-pattern" example:"team/**" doc:"patterns of the repositories that it is about; ** is every one"`
	Tags             []string   `yaml:"tags" json:"tags" format:"tag-name-pattern" example:"ci-*" doc:"patterns of the tags that it is about; left out: all"`
	KeepLast         int        `yaml:"keep_last" json:"keep_last" min:"0" max:"1000000" example:"10" doc:"keeps so many, those pushed last"`
	KeepWithin       Duration   `yaml:"keep_within" json:"keep_within" example:"90d" doc:"keeps what was pushed since so long ago"`
	KeepTags         []string   `yaml:"keep_tags" json:"keep_tags" format:"tag-name-pattern" example:"v*,latest" doc:"keeps tags by patterns"`
	KeepPulledWithin Duration   `yaml:"keep_pulled_within" json:"keep_pulled_within" example:"30d" doc:"keeps what was pulled or pushed since so long ago; all, while the access log is younger"`
	KeepSemver       KeepSemver `yaml:"keep_semver" json:"keep_semver" doc:"keeps the newest versions; a rule of nothing else is about versions alone"`
}

// KeepSemver keeps versions; 0 is all of a kind, and three times 0 is not set.
type KeepSemver struct {
	Majors  int `yaml:"majors" json:"majors" min:"0" max:"1000000" example:"3" doc:"how many major versions; left out: all"`
	Minors  int `yaml:"minors" json:"minors" min:"0" max:"1000000" example:"5" doc:"how many minor versions of each; left out: all"`
	Patches int `yaml:"patches" json:"patches" min:"0" max:"1000000" example:"2" doc:"how many patches of each; left out: all"`
}

// Schedule says when the commands that look after a registry are run by systemd
// or cron. A value is one of the forms that cron.Resolve reads; what a word leaves
// open is drawn from project and domain.
type Schedule struct {
	Cert   string `yaml:"cert" json:"cert" default:"six-hourly" format:"times" doc:"when to run cert renew"`
	GC     string `yaml:"gc" json:"gc" default:"off" format:"times" doc:"when to run gc"`
	Purge  string `yaml:"purge" json:"purge" default:"daily" format:"times" doc:"when to run gc purge, unless gc is off"`
	Backup string `yaml:"backup" json:"backup" default:"off" format:"times" doc:"when to run backup, to backup.target"`
	Fsck   string `yaml:"fsck" json:"fsck" default:"off" format:"times" doc:"when to run fsck --slice today/7: daily, it reads every blob once a week"`
	Drill  string `yaml:"drill" json:"drill" default:"off" format:"times" doc:"when to run backup drill, on the latest snapshot in backup.target"`
	Prune  string `yaml:"prune" json:"prune" default:"off" format:"times" doc:"when to run backup forget --prune, by backup.keep_last and its kin"`
}

// Backup says where backups go. The counts are restic's: a snapshot stays that any
// of them keeps, and with none set all stay.
type Backup struct {
	Target      string   `yaml:"target" json:"target" format:"backup-target" example:"/srv/backup/registry" doc:"directory, or s3://bucket/prefix"`
	Recipients  []string `yaml:"recipients" json:"recipients" format:"age-recipient" example:"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" doc:"age public keys to encrypt to; left out: not encrypted"`
	Identity    string   `yaml:"identity" json:"identity" format:"path" example:"private/backup-identity" doc:"age identity file that decrypts; backing up needs none"`
	Credentials string   `yaml:"credentials" json:"credentials" format:"path" example:"private/backup.env" doc:"file with AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…; left out: the environment"`
	Endpoint    string   `yaml:"endpoint" json:"endpoint" format:"https-url" example:"https://s3.example.com" doc:"S3-compatible storage; left out: that of AWS"`
	Region      string   `yaml:"region" json:"region" example:"eu-central-1" doc:"region of the bucket"`
	CA          string   `yaml:"ca" json:"ca" format:"path" example:"private/storage-ca.pem" doc:"PEM certificates of the CA that vouches for the endpoint; left out: those of the system"`
	KeepLast    int      `yaml:"keep_last" json:"keep_last" min:"0" max:"100000" doc:"the last so many snapshots stay"`
	KeepDaily   int      `yaml:"keep_daily" json:"keep_daily" min:"0" max:"100000" doc:"the last snapshot of each of the last so many days stays"`
	KeepWeekly  int      `yaml:"keep_weekly" json:"keep_weekly" min:"0" max:"100000" doc:"the same by weeks"`
	KeepMonthly int      `yaml:"keep_monthly" json:"keep_monthly" min:"0" max:"100000" doc:"the same by months"`
}

// Users says how the people and machines that log in are kept.
type Users struct {
	Cost int `yaml:"cost" json:"cost" default:"10" min:"10" max:"15" doc:"bcrypt cost of passwords that people choose; one more doubles the time of a check"`
}
