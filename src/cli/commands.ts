/** Every command: its words, its flags, its help. The bodies are loaded when they run. */
import { GROUPS } from "../config/table.ts";
import type { Command } from "./command.ts";

export const commands: readonly Command[] = [
  {
    path: "serve",
    summary: "Start the server.",
    details: `With no flag at all it serves http://localhost:4000 in development mode and keeps everything in ./qeetid-data.
With --public-url https://… it is a production server, and unsafe settings stop the start. Pending migrations are
applied first, under a lock (--no-auto-migrate, or --no-migrate, refuses to start instead).`,
    settings: GROUPS,
    load: async () => (await import("./serve.ts")).run,
  },
  {
    path: "admin create",
    summary: "Create the first owner, or a platform operator's account.",
    details: `Prints JSON. With --tenant the user owns a new workspace of that name, without one the personal workspace that
sign-up would make. A password is generated and printed unless --password-stdin gives one.`,
    flags: {
      email: {
        value: "EMAIL",
        help: "Address of the account; it counts as verified.",
        isRequired: true,
      },
      tenant: { value: "NAME", help: "Name of the workspace to create." },
      "api-key": { help: "Create an API key for the workspace as well; it is shown this once." },
      "password-stdin": { help: "Read the password from standard input." },
    },
    settings: ["Storage"],
    load: async () => (await import("./admin.ts")).run,
  },
  {
    path: "migrate",
    summary: "Bring the database to this version's schema.",
    flags: {
      status: { help: "Say which migrations are applied and which are pending; change nothing." },
      "dry-run": { help: "Print the SQL that would run; change nothing." },
    },
    settings: ["Storage"],
    load: async () => (await import("./migrate.ts")).run,
  },
  {
    path: "seed",
    summary: "Fill the database with demonstration data. Refused in production.",
    flags: { reset: { help: "Remove all data first." } },
    settings: ["Storage"],
    load: async () => (await import("./seed.ts")).run,
  },
  {
    path: "keys list",
    summary: "List the keys: id, algorithm, use, state, age.",
    settings: ["Storage", "Tokens and keys"],
    load: async () => (await import("./keys.ts")).listKeys,
  },
  {
    path: "keys rotate",
    summary: "Make a new signing key. The old one verifies for 30 more days.",
    flags: { alg: { value: "ES256|RS256", help: "Rotate only the keys of this algorithm." } },
    settings: ["Storage", "Tokens and keys"],
    load: async () => (await import("./keys.ts")).rotateKeys,
  },
  {
    path: "keys export",
    summary: "Print the public keys (JWKS), for services that verify tokens offline.",
    details: `With KID, the id of an active key, its private half is printed instead (PKCS #8, PEM). Guard it.
A KID that begins with a dash goes after --, as in: qeetid keys export -- -KppayL0…`,
    argument: { name: "KID", isOptional: true },
    settings: ["Storage", "Tokens and keys"],
    load: async () => (await import("./keys.ts")).exportKeys,
  },
  {
    path: "backup",
    summary: "Write the whole database to a file, consistent, while the server runs.",
    details: `The root key is not in the backup. Keep it elsewhere: without it, sealed data can't be read again.`,
    argument: { name: "FILE" },
    settings: ["Storage"],
    load: async () => (await import("./backup.ts")).run,
  },
  {
    path: "restore",
    summary: "Fill an empty database from a backup. Never overwrites.",
    argument: { name: "FILE" },
    settings: ["Storage"],
    load: async () => (await import("./restore.ts")).run,
  },
  {
    path: "audit verify",
    summary: "Check that nobody changed the audit log: chain and tree.",
    details: "Without FILE the database is checked; with FILE an export, offline.",
    argument: { name: "FILE", isOptional: true },
    flags: { tenant: { value: "ID", help: "Only this workspace's chain." } },
    settings: ["Storage"],
    load: async () => (await import("./audit.ts")).verifyAudit,
  },
  {
    path: "audit export",
    summary:
      "Print an audit log, one JSON line an event, for `audit verify FILE` and for archives.",
    flags: { tenant: { value: "ID", help: "The workspace; without it, the platform's own log." } },
    settings: ["Storage"],
    load: async () => (await import("./audit.ts")).exportAudit,
  },
  {
    path: "openapi",
    summary: "Print the OpenAPI document of this server.",
    load: async () => (await import("./openapi.ts")).run,
  },
  {
    path: "doctor",
    summary: "Look for what is wrong, and say what to do.",
    settings: ["Address", "Storage"],
    load: async () => (await import("./doctor.ts")).run,
  },
  {
    path: "healthcheck",
    summary: "Ask the running server whether it is ready: 0 yes, 1 no. For containers.",
    settings: ["Address"],
    load: async () => (await import("./healthcheck.ts")).run,
  },
  {
    path: "service print",
    summary: "Print the systemd unit.",
    load: async () => (await import("./service.ts")).printUnit,
  },
  {
    path: "service install",
    summary: "Install the systemd unit for this binary, enable and start it (as root).",
    load: async () => (await import("./service.ts")).installService,
  },
  {
    path: "service uninstall",
    summary: "Stop the systemd service and remove its unit; data and settings stay.",
    load: async () => (await import("./service.ts")).uninstallService,
  },
  {
    path: "version",
    summary: "Print version, commit and runtime.",
    load: async () => (await import("./version.ts")).run,
  },
];
