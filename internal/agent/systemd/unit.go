package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
	"time"
	"unicode"
)

// The names of the units.
const (
	AgentUnit = "crossfade-agent.service"
	RenewUnit = "crossfade-agent-renew.service"
	RenewTime = "crossfade-agent-renew.timer"
)

// Agent says how the agent is to run.
type Agent struct {
	Binary      string // whole path of crossfade
	Directory   string // of the host's identity
	Root        string // of deployments; empty: the agent's default
	User        string // who it runs as
	StopTimeout time.Duration
}

// stopGrace is what systemd waits beyond the agent's own limit, for the last reports.
const stopGrace = time.Minute

// renewEvery is well below half of a session's life of an hour.
const renewEvery = 20 * time.Minute

// Unit is a file of systemd.
type Unit struct {
	Name string
	Text []byte
}

// Units are the agent's.
func (a Agent) Units() ([]Unit, error) {
	text, err := a.fill(agentTemplate)
	return []Unit{{AgentUnit, text}}, err
}

// RenewUnits are for a host on which another agent runs: they only keep the credentials fresh.
func (a Agent) RenewUnits() ([]Unit, error) {
	service, err := a.fill(renewTemplate)
	if err != nil {
		return nil, err
	}
	timer, err := a.fill(timerTemplate)
	return []Unit{{RenewUnit, service}, {RenewTime, timer}}, err
}

func (a Agent) fill(text string) ([]byte, error) {
	for _, path := range []string{a.Binary, a.Directory, a.Root} {
		if path != "" && !filepath.IsAbs(path) {
			return nil, fmt.Errorf("the path %q does not begin at the root of the file system", path)
		}
		if strings.ContainsFunc(path, unicode.IsControl) {
			return nil, fmt.Errorf("the path %q has a control character in it", path)
		}
	}
	if a.User == "" || strings.ContainsFunc(a.User, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`%:/"'\`, r)
	}) {
		return nil, fmt.Errorf("the user %q can't be one", a.User)
	}
	if a.StopTimeout <= 0 {
		return nil, errors.New("the time to stop is not above zero")
	}
	t, err := template.New("").Funcs(template.FuncMap{
		"arg": argument, "path": specifiers, "seconds": func(d time.Duration) int64 { return int64(d / time.Second) },
	}).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{
		"Binary": a.Binary, "Directory": a.Directory, "Root": a.Root, "User": a.User, "AsRoot": a.User == "root",
		"AgentStop": a.StopTimeout.String(), "Stop": a.StopTimeout + stopGrace, "RenewEvery": renewEvery,
	})
	return b.Bytes(), err
}

// specifiers keeps systemd from reading a percent sign as one of its own.
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// argument is a word of a command line of a unit.
func argument(s string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s)
	if quoted == s && s != "" && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\'' || r == ';' }) {
		return s
	}
	return `"` + quoted + `"`
}

// agentTemplate is the agent's unit. Everything that it forbids is forbidden to the scripts of deployments too, and to what they start: so it forbids
// only what no deployment needs, and has nothing that puts the agent into a mount namespace of its own.
const agentTemplate = `# Written by crossfade agent install, which writes it anew: put your changes into a drop-in (systemctl edit crossfade-agent).
[Unit]
Description=Crossfade host agent
Wants=network-online.target
After=network-online.target
# A server that is away for long, or a configuration that is repaired later, must not leave the host without its agent.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={{arg .Binary}} agent --dir {{arg .Directory}}{{if .Root}} --root {{arg .Root}}{{end}} --stop-timeout {{.AgentStop}}
# For proxies and the like: HTTPS_PROXY=...
EnvironmentFile=-/etc/default/crossfade-agent
User={{.User}}
WorkingDirectory=/
# What scripts write has the modes that they have on a shell.
UMask=0022
# Scripts are to see a broken pipe as on a shell.
IgnoreSIGPIPE=no
{{- if not .AsRoot}}
# Made for the user, for --root in it.
StateDirectory=crossfade-agent
{{- end}}

Restart=always
RestartSec=5s
# Only the agent is told to stop: it lets running scripts finish, and what scripts started goes on through a restart of the agent.
KillMode=process
TimeoutStopSec={{seconds .Stop}}s
# The agent puts scripts into cgroups below its own, and kills there what a script that ran out of time left behind.
Delegate=yes
# One application that runs out of memory is no reason to stop the agent. Applications that scripts start count as the agent's tasks.
OOMPolicy=continue
TasksMax=infinity
{{- if .AsRoot}}

# Hardening. Scripts, and what they start, are bound by it as the agent is, and may install packages, mount, change owners, and become other users.
# What no deployment needs: to load kernel modules, set the clock, reboot past systemd, touch ports and memory of the machine, or read the kernel's log.
CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_TIME CAP_SYS_BOOT CAP_SYS_RAWIO CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND
# Left out on purpose:
#   NoNewPrivileges                                 sudo in hooks would fail
#   ProtectSystem, ProtectHome, PrivateTmp          deployments write anywhere, and their files are for others
#   ProtectKernelModules, ProtectKernelTunables,    each gives a mount namespace: what a script mounts would be seen by nobody else;
#     ProtectKernelLogs, ProtectControlGroups         and the agent needs its cgroups
#   ProtectClock, PrivateDevices                    close all devices, disks of volumes among them; the missing CAP_SYS_TIME keeps the clock safe
#   RestrictSUIDSGID                                permissions of an AppSpec may say 4755
#   MemoryDenyWriteExecute, SystemCallFilter,       bind the applications that scripts start: just-in-time compilers, 32-bit programs,
#     SystemCallArchitectures, RestrictRealtime       real-time ones
{{- else}}

# No hardening beyond the user: systemd could enforce more on one that is not root only with NoNewPrivileges, under which sudo in hooks fails. What the
# user may not do, the agent and its scripts may not do either.
{{- end}}

[Install]
WantedBy=multi-user.target
`

// renewTemplate has no scripts to think of, so it forbids all that it can.
const renewTemplate = `# Written by crossfade agent install --renew-only, which writes it anew: put your changes into a drop-in (systemctl edit crossfade-agent-renew).
[Unit]
Description=Renewal of the host's Crossfade credentials
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={{arg .Binary}} agent renew --dir {{arg .Directory}}
EnvironmentFile=-/etc/default/crossfade-agent
User={{.User}}
TimeoutStartSec=2min
UMask=0077

# Nothing but this program runs here, and it writes to one directory.
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths="{{path .Directory}}"
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
CapabilityBoundingSet={{if .AsRoot}}CAP_DAC_OVERRIDE{{end}}
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
`

const timerTemplate = `# Written by crossfade agent install --renew-only.
[Unit]
Description=Timer of the renewal of the host's Crossfade credentials

[Timer]
OnBootSec=30s
OnUnitActiveSec={{seconds .RenewEvery}}s
RandomizedDelaySec=60s

[Install]
WantedBy=timers.target
`
