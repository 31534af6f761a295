export const UNIT_NAME = "qeetid.service";
export const UNIT_PATH = `/etc/systemd/system/${UNIT_NAME}`;
export const ENVIRONMENT_PATH = "/etc/qeetid/qeetid.env";

/**
 * The unit for `binary`. JavaScript is compiled at run time, so MemoryDenyWriteExecute can't be; the argon2 addon is
 * loaded from BUN_TMPDIR, which must be executable: /run and /tmp often are not.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html
 */
export const systemdUnit = (binary: string): string => `[Unit]
Description=qeetid, an identity server
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart=${binary} serve
Restart=on-failure
RestartSec=1
# Wrong usage and wrong settings do not get better by trying again.
RestartPreventExitStatus=2 78
TimeoutStartSec=10min
TimeoutStopSec=30

# Settings: NAME=value, one a line.
EnvironmentFile=-${ENVIRONMENT_PATH}
Environment=DATA_DIR=/var/lib/qeetid BUN_TMPDIR=/var/cache/qeetid
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN NODE_OPTIONS NODE_TLS_REJECT_UNAUTHORIZED
StateDirectory=qeetid
StateDirectoryMode=0700
CacheDirectory=qeetid
CacheDirectoryMode=0700
ConfigurationDirectory=qeetid
ConfigurationDirectoryMode=0700
UMask=0077
LimitNOFILE=65536

DynamicUser=yes
User=qeetid
NoNewPrivileges=yes
# For --http-port 443 with --tls-cert.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
