/** From a proved first factor to a session. */
import type { Reader, Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { Caller } from "../../platform/permissions.ts";
import { permissionsOf } from "../rbac/service.ts";
import { membershipsOf, type UserRow, updateUserRow } from "../users/service.ts";
import { decideFactors } from "./factors.ts";
import { rememberBrowser } from "./known-browser.ts";
import { countersOf, noteFailure } from "./lockout.ts";
import {
  issuePair,
  openHostedSession,
  openSession,
  type SignInMethod,
  type TokenPair,
} from "./open.ts";
import * as store from "./store.ts";

export interface SignIn {
  readonly user: UserRow;
  readonly method: SignInMethod;
  /** RFC 8176 values of the factor that was proved. */
  readonly amr: readonly string[];
  /** `token`: a pair; `cookie`: a hosted session. */
  readonly flow: "token" | "cookie";
  /** Asked for by name, as a magic link does; else the home tenant, and what comes after it. */
  readonly tenantId?: string | undefined;
  /** Cookie `qe_known` of the request. */
  readonly knownCookie?: string | undefined;
  /** Hash of the hosted session that the browser had. */
  readonly replacesHosted?: string | undefined;
  /** That one stays where it is another user's: the hosted pages keep several accounts. */
  readonly keepsOtherAccounts?: boolean;
}

/** What else is decided between a proved credential and a session: method switches, IP rules. They throw `forbidden`. */
export type SignInRule = (
  deps: Deps,
  q: Reader,
  caller: Caller,
  signIn: { user: UserRow; tenantId: string | null; method: SignInMethod; amr: readonly string[] },
) => Promise<void>;

/** A tenant's policies join here. */
const SIGN_IN_RULES: readonly SignInRule[] = [];

export type SignedIn =
  | { readonly flow: "token"; readonly pair: TokenPair; readonly knownBrowser: string }
  | {
      readonly flow: "cookie";
      readonly userId: string;
      /** For cookie `qe_ls`. */
      readonly loginSessionToken: string;
      readonly knownBrowser: string;
    };

/**
 * Turns a proved first factor into a session: state of the account, tenant, policy, factors, then one transaction. `within`
 * joins that transaction, before anything is inserted (to use up a one-time token). Throws `forbidden` for an account or
 * tenant that may not sign in, and writes that down.
 */
export async function completeSignIn(
  deps: Deps,
  caller: Caller,
  signIn: SignIn,
  within?: (tx: Tx) => Promise<void>,
): Promise<SignedIn> {
  const { user, method, amr, flow, knownCookie } = signIn;
  const now = deps.clock.now();
  const tenantId = await admitted(deps, caller, signIn);
  const factors = await decideFactors(deps, deps.db.read, {
    userId: user.id,
    tenantId,
    homeTenantId: user.tenantId,
    amr,
    mfaAt: null,
  });
  const counters = countersOf(deps, user.emailKey, knownCookie);
  const stale: string[] = [];
  for (const key of counters)
    if ((await store.selectAttempts(deps.db.read, { key })).length > 0) stale.push(key);
  const knownBrowser = rememberBrowser(deps, knownCookie, user.emailKey);
  const opened = { user, method, authTime: now, amr, factors };
  const begin = async (tx: Tx) => {
    await within?.(tx);
    await store.clearAttempts(tx, stale);
    if (user.status === "invited")
      await updateUserRow(tx, user.id, { status: "active", updatedAt: now });
  };
  if (flow === "cookie") {
    const loginSessionToken = await deps.db.transaction(
      async (tx) => {
        await begin(tx);
        return openHostedSession(deps, tx, caller, {
          ...opened,
          replaces: signIn.replacesHosted,
          keepsOthers: signIn.keepsOtherAccounts ?? false,
        });
      },
      { serializeOn: "platform" },
    );
    return { flow, userId: user.id, loginSessionToken, knownBrowser };
  }
  const session = await deps.db.transaction(
    async (tx) => {
      await begin(tx);
      return openSession(deps, tx, caller, { ...opened, tenantId });
    },
    { serializeOn: tenantId ?? "platform" },
  );
  return { flow, pair: await issuePair(deps, session), knownBrowser };
}

/** The tenant that the session is for, once account, tenant and policy let the user in. */
async function admitted(deps: Deps, caller: Caller, signIn: SignIn): Promise<string | null> {
  const { user, method, amr } = signIn;
  try {
    if (user.status !== "active" && user.status !== "invited")
      throw new AppError("forbidden", `account ${user.status}`);
    const tenantId = await tenantFor(deps.db.read, signIn);
    for (const rule of SIGN_IN_RULES)
      await rule(deps, deps.db.read, caller, { user, tenantId, method, amr });
    return tenantId;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "forbidden") throw error;
    const reason = user.status === "suspended" ? "suspended" : "policy";
    await deps.db.transaction(
      (tx) => noteFailure(deps, tx, caller, { email: user.email, method, reason, user }),
      { serializeOn: user.tenantId ?? "platform" },
    );
    deps.metrics.loginFailures.inc();
    throw error;
  }
}

/**
 * Contract 02 §1: the home tenant; where it is deleted or there is none, the tenant of the latest session that still
 * holds, else the oldest membership, else none. A suspended one admits only who can lift that (contract 00 §42).
 */
async function tenantFor(q: Reader, { user, tenantId }: SignIn): Promise<string | null> {
  const wanted = tenantId ?? user.tenantId;
  if (wanted !== null) {
    const [home] = await store.selectHome(q, { tenantId: wanted, userId: user.id });
    if (home?.active && home.status === "active") return wanted;
    if (home?.active && home.status === "suspended") {
      const { permissions } = await permissionsOf(q, user.id, wanted, { evenSuspended: true });
      if (permissions.has("tenant.write")) return wanted;
      throw new AppError("forbidden", "tenant suspended");
    }
    if (tenantId !== undefined) throw new AppError("forbidden", "not a member of this tenant");
  }
  const memberships = (await membershipsOf(q, user.id)).filter(
    ({ active, tenantStatus }) => active && tenantStatus === "active",
  );
  const latest = await store.latestTenantOf(q, user.id);
  const chosen = memberships.find((one) => one.tenantId === latest) ?? memberships[0];
  return chosen?.tenantId ?? null;
}
