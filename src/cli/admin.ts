import type { Tx } from "../../db/client.ts";
import { violationOf } from "../../db/errors.ts";
import type { Deps } from "../deps.ts";
import { createApiKeyIn } from "../modules/api-keys/service.ts";
import { createPersonalTenantIn, createTenantIn } from "../modules/tenants/service.ts";
import { findUser, insertUser, setPassword } from "../modules/users/service.ts";
import { assertAcceptablePassword } from "../platform/crypto/weak-passwords.ts";
import { type EmailAddress, parseEmail } from "../platform/email.ts";
import { AppError } from "../platform/errors.ts";
import { CommandError, type Run, UsageError } from "./command.ts";
import { migrateAtStart } from "./migrations.ts";
import { withDeps } from "./open.ts";
import { prepareDataDir } from "./serve/data-dir.ts";

const SYSTEM = { system: true } as const;

/** Creates an account that owns a workspace, or one that `PLATFORM_ADMINS` names. Works before the first start, too. */
export const run: Run = async ({ config, flags, out }) => {
  const address = orUsage(() => parseEmail(flags.email ?? "", "--email"));
  const tenantName = flags.tenant?.trim();
  if (tenantName === "" || (tenantName?.length ?? 0) > 200)
    throw new UsageError("--tenant must have 1 to 200 characters");
  const isGiven = flags["password-stdin"] !== undefined;
  const given = isGiven ? (await Bun.stdin.text()).replace(/\r?\n$/, "") : undefined;
  if (given !== undefined)
    orUsage(() => assertAcceptablePassword(given, { email: address.email, field: "password" }));

  prepareDataDir(config.dataDir);
  await migrateAtStart(config, new Date());
  return withDeps(config, async (deps) => {
    const password = given ?? newPassword(deps);
    const created = await create(deps, {
      address,
      tenantName,
      passwordHash: await deps.passwords.hash(password),
      wantsKey: flags["api-key"] !== undefined,
    });
    const isOperator = [created.user.id, address.emailKey].some((one) =>
      config.platformAdmins.includes(one),
    );
    const owner = `owner of ${created.tenant.name}`;
    out.note(
      isOperator
        ? `Created ${address.email}: ${owner}, and platform operator (PLATFORM_ADMINS names it).`
        : `Created ${address.email}: ${owner}. It is no platform operator; PLATFORM_ADMINS names those.`,
    );
    const result = {
      user_id: created.user.id,
      email: address.email,
      ...(!isGiven && { password }),
      tenant_id: created.tenant.id,
      tenant_slug: created.tenant.slug,
      roles: ["owner"],
      platform_operator: isOperator,
      ...(created.key && { api_key: created.key }),
    };
    out.result(JSON.stringify(result, null, 2), result);
    return undefined;
  });
};

/** Runs a check of the API's and says in a command's words what it refuses. */
function orUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof AppError) throw new UsageError(error.detail ?? error.code);
    throw error;
  }
}

/** 128 random bits in groups that a person can read out. */
function newPassword({ random }: Deps): string {
  const text = Buffer.from(random.bytes(16)).toString("base64url").replace(/[-_]/g, "x");
  return text.match(/.{1,6}/g)!.join("-");
}

interface Wanted {
  readonly address: EmailAddress;
  readonly tenantName: string | undefined;
  readonly passwordHash: string;
  readonly wantsKey: boolean;
}

async function create(deps: Deps, { address, tenantName, passwordHash, wantsKey }: Wanted) {
  const work = async (tx: Tx) => {
    const inserted = await insertUser(deps, tx, SYSTEM, {
      ...address,
      tenantId: null,
      // Whoever runs the server vouches for the address.
      emailVerifiedAt: deps.clock.now(),
      source: "cli",
    });
    await setPassword(deps, tx, { userId: inserted.id, passwordHash });
    const tenant =
      tenantName === undefined
        ? await createPersonalTenantIn(deps, tx, SYSTEM, inserted)
        : await createTenantIn(deps, tx, SYSTEM, { owner: inserted, name: tenantName });
    const key = wantsKey
      ? await createApiKeyIn(deps, tx, SYSTEM, {
          tenantId: tenant.id,
          name: "created by qeetid admin create",
          createdBy: inserted.id,
        })
      : undefined;
    return { user: (await findUser(tx, inserted.id))!, tenant, key: key?.secret };
  };
  try {
    return await deps.db.transaction(work, { serializeOn: "platform" });
  } catch (error) {
    if (violationOf(error)?.constraint === "users_email_key_key")
      throw new CommandError(
        `${address.email} has an account already. Sign in with it and create the workspace there (POST /v1/tenants).`,
      );
    throw error;
  }
}
