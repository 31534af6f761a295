import { destination } from "pino";
import { resetDatabase } from "../../db/reset.ts";
import type { Config } from "../config.ts";
import { closeDeps, createDeps } from "../create-deps.ts";
import type { Deps } from "../deps.ts";
import { createApiKey, revokeApiKey, rotateApiKey } from "../modules/api-keys/service.ts";
import { logIn, signUp } from "../modules/auth/service.ts";
import { createClient } from "../modules/clients/service.ts";
import { createPrincipal } from "../modules/principals/service.ts";
import { assignRole, createRole, seedPermissions } from "../modules/rbac/service.ts";
import { authenticate, logOut } from "../modules/sessions/service.ts";
import { createTenant } from "../modules/tenants/service.ts";
import {
  createUser,
  deleteUser,
  markEmailVerifiedBySession,
  restoreUser,
  type UserRow,
  updateUser,
} from "../modules/users/service.ts";
import { AppError } from "../platform/errors.ts";
import { createLog } from "../platform/log.ts";
import type { Actor, Permission } from "../platform/permissions.ts";
import { CommandError, type Run } from "./command.ts";
import { migrateAtStart } from "./migrations.ts";
import { prepareDataDir } from "./serve/data-dir.ts";
import { lockDatabase } from "./serve/lock.ts";

const PASSWORD = "six blue herons";
const DAY_MS = 86_400_000;
const HISTORY_DAYS = 30;

const ROLES: readonly { name: string; description: string; permissions: Permission[] }[] = [
  {
    name: "admin",
    description: "Runs the workspace, without billing and erasure",
    permissions: ["user.write", "role.write", "audit.read", "apikey.write", "policy.write"],
  },
  {
    name: "member",
    description: "Sees who is here",
    permissions: ["user.read", "group.read", "role.read"],
  },
  {
    name: "auditor",
    description: "Reads everything, changes nothing",
    permissions: ["audit.read", "analytics.read", "policy.read", "role.read", "user.read"],
  },
  {
    name: "helpdesk",
    description: "Helps people back into their accounts",
    permissions: ["user.write", "group.read"],
  },
];

const FIRST_NAMES =
  "Ada Bruno Chloe Dmitri Elif Farah Goran Hana Ines Jonas Kofi Lena Mateo Nadia Omar Petra Quentin Rosa Sven Tariq Uma Viktor Wanjiru Xenia Yusuf Zoe";
const LAST_NAMES =
  "Novak Okafor Lindqvist Moreau Haddad Petrov Tanaka Silva Brandt Costa Nguyen Keller Osei Duarte Bauer Rossi";

const WORKSPACES = [
  { name: "Acme", domain: "acme.example", users: 60 },
  { name: "Globex", domain: "globex.example", users: 12 },
] as const;

/** Two workspaces with a month behind them, made through the same services as the API's, so that logs and lists are real. */
export const run: Run = async ({ config, flags, out }) => {
  if (config.env !== "dev")
    throw new CommandError("Demonstration data has a known password, so production gets none.");
  prepareDataDir(config.dataDir);
  if (flags.reset !== undefined) await reset(config);
  await migrateAtStart(config, new Date());

  const startsAt = Date.now() - HISTORY_DAYS * DAY_MS;
  let nowMs = startsAt;
  const clock = { now: () => new Date(nowMs) };
  const log = createLog(config, clock.now, destination({ dest: 2, sync: true }));
  const deps = await createDeps(config, { clock, log });
  const progress = out.progress("Seeding");
  const steps = WORKSPACES.reduce((sum, { users }) => sum + users * 3, 0);
  let step = 0;
  const advance = () => {
    step += 1;
    nowMs = startsAt + Math.floor(((HISTORY_DAYS * DAY_MS - 60_000) * step) / (steps + 20));
    progress.at(step, steps);
  };
  try {
    await seedPermissions(deps);
    const made = [];
    for (const workspace of WORKSPACES) made.push(await seedWorkspace(deps, workspace, advance));
    progress.end();
    const lines = made.flatMap(({ name, owner, users, clients }) => [
      `  ${name}: owner ${owner}, ${users} users`,
      ...clients.map(
        (one) => `    ${one.name}: client_id ${one.client_id}${secretOf(one)}${callbackOf(one)}`,
      ),
    ]);
    out.result(["Made two workspaces; every password is", `  ${PASSWORD}`, ...lines].join("\n"), {
      password: PASSWORD,
      workspaces: made,
    });
  } catch (error) {
    if (error instanceof AppError && error.detail === "could not create account")
      throw new CommandError(
        "The demonstration data is there already. Start over with --reset, which removes all data first.",
      );
    throw error;
  } finally {
    await closeDeps(deps);
  }
  return undefined;
};

async function reset(config: Config): Promise<void> {
  const lock = lockDatabase(config);
  try {
    await resetDatabase(config.databaseUrl);
  } finally {
    lock?.release();
  }
}

const caller = (n: number) => ({
  requestId: "seed",
  ip: `203.0.113.${(n * 37) % 250}`,
  userAgent: n % 3 === 0 ? "Mozilla/5.0 (iPhone)" : "Mozilla/5.0 (X11; Linux x86_64)",
});

const actorOf = async (deps: Deps, token: string, n = 0): Promise<Actor> =>
  authenticate(deps, `Bearer ${token}`, caller(n), { whileSuspended: false });

async function seedWorkspace(
  deps: Deps,
  { name, domain, users }: (typeof WORKSPACES)[number],
  advance: () => void,
) {
  const owner = `owner@${domain}`;
  const { user, pair } = await signUp(deps, caller(1), {
    email: owner,
    password: PASSWORD,
    displayName: `${name} Owner`,
  });
  await deps.db.transaction((tx) => markEmailVerifiedBySession(deps, tx, user));
  const founder = await actorOf(deps, pair.access_token);
  const founded = await createTenant(deps, founder, { name, plan: "pro", region: "eu-central-1" });
  // Tokens live for minutes, and this history for a month: the owner comes back every time.
  const asOwner = async () => {
    const { pair } = await logIn(deps, caller(2), {
      email: owner,
      password: PASSWORD,
      flow: "token",
    });
    return actorOf(deps, pair.access_token, 2);
  };
  const tenantId = founded.tenant.id;
  const roleIds: string[] = [];
  for (const role of ROLES)
    roleIds.push((await createRole(deps, await asOwner(), tenantId, role)).id);

  const members: UserRow[] = [];
  for (let n = 0; n < users; n += 1) {
    advance();
    members.push(await seedMember(deps, await asOwner(), { n, domain, tenantId, roleIds }));
  }
  for (const [n, member] of members.entries()) {
    advance();
    await visit(deps, member, n);
    advance();
  }
  await change(deps, asOwner, members);
  await seedKeys(deps, asOwner);
  const clients = await seedClients(deps, await asOwner(), name);
  return { name, tenant_id: tenantId, owner, users: users + 1, clients };
}

async function seedMember(
  deps: Deps,
  actor: Actor,
  {
    n,
    domain,
    tenantId,
    roleIds,
  }: { n: number; domain: string; tenantId: string; roleIds: readonly string[] },
): Promise<UserRow> {
  const firsts = FIRST_NAMES.split(" ");
  const lasts = LAST_NAMES.split(" ");
  const first = firsts[n % firsts.length]!;
  const last = lasts[(n * 5 + Math.floor(n / firsts.length)) % lasts.length]!;
  const member = await createUser(deps, actor, {
    email: `${first}.${last}@${domain}`.toLowerCase(),
    password: PASSWORD,
    displayName: `${first} ${last}`,
    ...(n % 4 === 0 && { phone: `+4930${String(1_000_000 + n * 7_919).slice(0, 7)}` }),
    metadata: { team: ["platform", "sales", "support"][n % 3]!, employee: n + 1 },
  });
  if (n % 3 !== 2) await deps.db.transaction((tx) => markEmailVerifiedBySession(deps, tx, member));
  const roleId =
    n % 9 === 0 ? roleIds[0] : n % 7 === 0 ? roleIds[2] : n % 5 === 0 ? roleIds[3] : roleIds[1];
  await assignRole(deps, actor, { userId: member.id, tenantId, roleId: roleId! });
  return member;
}

/** Comes by: some mistype first, some sign out again, some never come. */
async function visit(deps: Deps, { email }: UserRow, n: number): Promise<void> {
  if (n % 6 === 5) return;
  const attempt = { email, flow: "token" } as const;
  if (n % 4 === 1)
    await logIn(deps, caller(n), { ...attempt, password: "mistyped" }).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
    });
  const { pair } = await logIn(deps, caller(n), { ...attempt, password: PASSWORD });
  if (n % 3 === 0) await logOut(deps, await actorOf(deps, pair.access_token, n));
}

async function change(
  deps: Deps,
  asOwner: () => Promise<Actor>,
  members: readonly UserRow[],
): Promise<void> {
  const actor = await asOwner();
  const [suspended, gone, back] = [members[3]!, members[7]!, members[8]!];
  await updateUser(deps, actor, suspended.id, { status: "suspended" });
  await updateUser(deps, actor, members[4]!.id, { displayName: "Renamed Person" });
  for (const { id } of [gone, back]) await deleteUser(deps, actor, id);
  await restoreUser(deps, actor, back.id);
}

async function seedKeys(deps: Deps, asOwner: () => Promise<Actor>): Promise<void> {
  const actor = await asOwner();
  const now = deps.clock.now().getTime();
  await createApiKey(deps, actor, { name: "backend" });
  await createApiKey(deps, actor, {
    name: "nightly export",
    scopes: ["user.read", "audit.read"],
    expiresAt: new Date(now + 90 * DAY_MS),
  });
  // Past by the time anybody looks.
  await createApiKey(deps, actor, {
    name: "trial",
    scopes: ["user.read"],
    expiresAt: new Date(now + 1_000),
  });
  const rotated = await createApiKey(deps, actor, { name: "ci" });
  await rotateApiKey(deps, actor, { id: rotated.apiKey.id, graceSeconds: 0 });
  const leaked = await createApiKey(deps, actor, { name: "leaked in a log" });
  await revokeApiKey(deps, actor, leaked.apiKey.id);
}

interface SeededClient {
  readonly name: string;
  readonly client_id: string;
  readonly client_secret?: string;
  readonly redirect_uri?: string;
}

const secretOf = ({ client_secret: secret }: SeededClient) =>
  secret === undefined ? "" : `, client_secret ${secret}`;
const callbackOf = ({ redirect_uri: uri }: SeededClient) =>
  uri === undefined ? "" : `, redirect_uri ${uri}`;

const WEB_CALLBACK = "http://localhost:3000/api/auth/callback";
const SPA_CALLBACK = "http://localhost:5173/callback";

/** A web application with a server, a page without one, and a machine. */
async function seedClients(
  deps: Deps,
  actor: Actor,
  workspace: string,
): Promise<readonly SeededClient[]> {
  const scopes = ["openid", "profile", "email", "offline_access"];
  const web = await createClient(deps, actor, {
    name: `${workspace} Portal`,
    redirectUris: [WEB_CALLBACK],
    postLogoutUris: ["http://localhost:3000"],
    scopes,
  });
  const spa = await createClient(deps, actor, {
    name: `${workspace} Dashboard`,
    type: "public",
    redirectUris: [SPA_CALLBACK],
    postLogoutUris: ["http://localhost:5173"],
    scopes,
  });
  const machine = await createPrincipal(deps, actor, {
    name: "nightly-export",
    description: "Reads users and the audit log every night",
    scopes: ["user.read", "audit.read"],
  });
  return [
    {
      name: web.client.name,
      client_id: web.client.clientId,
      ...(web.secret !== undefined && { client_secret: web.secret }),
      redirect_uri: WEB_CALLBACK,
    },
    { name: spa.client.name, client_id: spa.client.clientId, redirect_uri: SPA_CALLBACK },
    {
      name: machine.principal.name,
      client_id: machine.principal.id,
      client_secret: machine.secret,
    },
  ];
}
