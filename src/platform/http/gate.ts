import assert from "node:assert";
import type { BucketName } from "../../config.ts";
import type { Deps } from "../../deps.ts";
import type { DpopRequest } from "../crypto/dpop.ts";
import { AppError } from "../errors.ts";
import type { Actor, Caller, Permission } from "../permissions.ts";
import type { OwnAccess } from "./access.ts";
import { rateKeyOf } from "./address.ts";
import type { Call } from "./call.ts";
import { checkCsrf } from "./csrf.ts";
import type { Declaration } from "./declarations.ts";
import { challenge, dpopChallenge } from "./headers.ts";
import type { Verdict } from "./rate.ts";

/** Beside the credential, what decides whom it names. */
export interface AuthenticateOptions {
  /** The route works while the tenant is suspended (contract 01 §5). */
  readonly whileSuspended: boolean;
  /** For a credential of scheme `DPoP`: what its proof must be made for (RFC 9449 §7.1). */
  readonly dpop?: DpopRequest;
  /** `X-Dev-User` and `X-Dev-Tenant`, where AUTH_DEV_TRUST_HEADERS is on; then `authorization` may be empty. */
  readonly dev?: { readonly userId: string; readonly tenantId: string | null };
}

/**
 * Finds who is calling. Throws `unauthorized` for a credential that is not good, `forbidden` for one whose tenant or
 * user is suspended, `mfa_required` for a pending sign-in.
 */
export type Authenticate = (
  deps: Deps,
  authorization: string,
  caller: Caller,
  options: AuthenticateOptions,
) => Actor | Promise<Actor>;

type Params = Record<string, string>;

/**
 * Contract 00 §33: ip bucket, CSRF, authentication, path ids, tenant, permission, then the caller's own buckets.
 * Answers a promise only where something must be waited for.
 */
export function createGate(deps: Deps, authenticate: Authenticate) {
  const invalidToken = challenge(deps.config, "invalid_token");
  const trustsDevHeaders = deps.config.authDevTrustHeaders && deps.config.env === "dev";

  const settle = (call: Call, bucket: BucketName, verdict: Verdict): void => {
    if (verdict.limit === 0) return; // off
    if (call.verdict === undefined || verdict.remaining < call.verdict.remaining)
      call.verdict = verdict;
    if (verdict.waitSeconds === 0) return;
    call.verdict = verdict;
    deps.metrics.rateLimitDenied(bucket);
    throw new AppError("too_many_requests", undefined, {
      headers: { "retry-after": String(verdict.waitSeconds) },
    });
  };
  const take = (call: Call, bucket: BucketName, key: string): void | Promise<void> => {
    const verdict = deps.rate.take(bucket, key);
    // In one process the answer is at hand: no promise for each bucket.
    if (verdict instanceof Promise) return verdict.then((late) => settle(call, bucket, late));
    return settle(call, bucket, verdict);
  };

  return function check(
    request: Request,
    call: Call,
    declaration: Declaration,
    params: Params,
    /** What the form of a `tokenInForm` route holds, where the header holds nothing. */
    formToken?: string,
  ): void | Promise<void> {
    const { access, csrf, rate } = declaration;
    if (!access.public) {
      const header = request.headers.get("authorization") ?? "";
      const credential = header === "" && formToken ? `Bearer ${formToken}` : header;
      return checkActor(request, call, declaration, params, credential);
    }
    const admit = () => {
      checkCsrf(deps, request, csrf);
      if (declaration.ids.length > 0) checkIds(declaration, params);
    };
    const taken = rate === false ? undefined : take(call, rate ?? "ip", rateKeyOf(call.caller.ip));
    return taken === undefined ? admit() : taken.then(admit);
  };

  async function checkActor(
    request: Request,
    call: Call,
    declaration: Declaration,
    params: Params,
    authorization: string,
  ): Promise<void> {
    const dev = trustsDevHeaders ? devHeaders(request.headers) : undefined;
    if (authorization === "" && dev === undefined) {
      await take(call, "ip", rateKeyOf(call.caller.ip));
      checkCsrf(deps, request, declaration.csrf);
      throw new AppError("unauthorized");
    }
    const isBound = DPOP.test(authorization);
    const options = {
      whileSuspended: declaration.whileSuspended,
      ...(dev && { dev }),
      ...(isBound && { dpop: dpopRequest(deps, request) }),
    };
    const actor = await identify(authorization, call, options);
    call.actor = actor;
    if (declaration.ids.length > 0) checkIds(declaration, params);
    checkAccess(actor, declaration, params, invalidToken);
    await spend(call, actor, declaration.rate);
  }

  async function identify(
    authorization: string,
    call: Call,
    options: AuthenticateOptions,
  ): Promise<Actor> {
    try {
      return await authenticate(deps, authorization, call.caller, options);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "unauthorized") throw error;
      // Guessing credentials costs what anonymous calls cost.
      await take(call, "ip", rateKeyOf(call.caller.ip));
      const headers = options.dpop ? dpopChallenge(deps.config) : invalidToken;
      throw new AppError("unauthorized", error.detail, { cause: error, headers });
    }
  }

  /** All buckets of the caller; a promise only where Redis holds them. */
  function spend(call: Call, actor: Actor, rate: Declaration["rate"]): void | Promise<void> {
    const { tenantId, userId, subject, kind } = actor;
    const late: Promise<void>[] = [];
    const takeOne = (bucket: BucketName, key: string) => {
      const taken = take(call, bucket, key);
      if (taken !== undefined) late.push(taken);
    };
    if (tenantId !== null) takeOne("tenant", tenantId);
    if (userId !== null) takeOne("user", userId);
    if (kind === "api_key") takeOne("apikey", subject);
    if (rate)
      takeOne(rate, rate === "verify" && tenantId !== null ? tenantId : (userId ?? subject));
    if (late.length > 0) return Promise.all(late).then(() => undefined);
  }
}

/** Who may do this, once it is known who asks. Throws `unauthorized` or `forbidden`. */
function checkAccess(
  actor: Actor,
  declaration: Declaration,
  params: Params,
  invalidToken: Record<string, string>,
): void {
  const { self, own, permission } = declaration.access;
  if (self !== undefined) {
    checkSelf(actor, self, declaration.oauth, invalidToken);
    if (declaration.isTenantBound) checkTenant(actor, params);
    return;
  }
  if (own !== undefined && isOwn(actor, own, params)) {
    // A session acts on its own user in any tenant; a key never leaves its tenant.
    if (declaration.isTenantBound && actor.kind !== "user") checkTenant(actor, params);
    return;
  }
  if (actor.tenantId === null) throw noTenant();
  if (declaration.isTenantBound) checkTenant(actor, params);
  const key: Permission | undefined = own?.permission ?? permission;
  assert(key, "a route that is not public, self, own or permission");
  if (!actor.holds(key)) throw new AppError("forbidden", `missing permission: ${key}`);
}

/** Contract 09, column "machine": `yes`, `user`, `no`. */
function checkSelf(
  actor: Actor,
  self: "any" | "user" | "session",
  oauth: boolean,
  invalidToken: Record<string, string>,
): void {
  if (actor.kind === "oauth" && !oauth) throw new AppError("forbidden");
  // Good, but nobody's: for what is about a user it is as good as none (contract 03 §10).
  if (self === "user" && actor.userId === null)
    throw new AppError("unauthorized", undefined, { headers: invalidToken });
  if (self === "session" && actor.kind !== "user" && !(oauth && actor.kind === "oauth"))
    throw new AppError("forbidden");
}

const isOwn = ({ kind, userId }: Actor, { param }: OwnAccess, params: Params): boolean =>
  userId !== null && kind !== "oauth" && params[param] === userId;

/** Once, here, and not in every handler: a path's tenant is the caller's. Decided before any look-up. */
function checkTenant(actor: Actor, params: Params): void {
  const { tenantID } = params;
  assert(tenantID !== undefined, "the router renamed :tenantID");
  if (actor.tenantId === null) throw noTenant();
  if (actor.tenantId !== tenantID) throw new AppError("forbidden", "tenant mismatch");
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const UUID_ANY_CASE = new RegExp(UUID.source, "i");

/** Contract 01 §20: a malformed id is 400 before a permission is looked at. Upper case is folded (RFC 9562 §4). */
function checkIds({ ids }: Declaration, params: Params): void {
  for (const [name, published] of ids) {
    const id = params[name]!;
    if (UUID.test(id)) continue;
    if (!UUID_ANY_CASE.test(id)) throw new AppError("bad_request", `invalid ${published}`);
    params[name] = id.toLowerCase();
  }
}

const DPOP = /^dpop /i;

/** The address as clients know it: what `Host` says is no part of it. */
function dpopRequest(
  { config }: Pick<Deps, "config">,
  { headers, method, url }: Request,
): DpopRequest {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const path = start === -1 ? "/" : url.slice(start).replace(/[?#].*$/s, "");
  return { proof: headers.get("dpop"), method, url: config.publicUrl + path };
}

function devHeaders(headers: Headers): AuthenticateOptions["dev"] {
  const userId = headers.get("x-dev-user");
  if (userId === null) return undefined;
  if (!UUID.test(userId)) throw new AppError("unauthorized", "invalid X-Dev-User");
  const tenantId = headers.get("x-dev-tenant");
  if (tenantId !== null && !UUID.test(tenantId))
    throw new AppError("unauthorized", "invalid X-Dev-Tenant");
  return { userId, tenantId };
}

const noTenant = () => new AppError("unauthorized", "tenant scope required");
