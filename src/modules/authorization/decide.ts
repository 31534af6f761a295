/** The word of the person in front of the browser (contract 03 §7.4). */
import assert from "node:assert";
import type { Deps } from "../../deps.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import { AppError, OAuthError } from "../../platform/errors.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit, userAuthor } from "../audit/service.ts";
import type { HostedSession } from "../sessions/service.ts";
import { rememberConsent } from "../tokens/service.ts";
import { assertMember, needsLogin, serves, type Visit } from "./checks.ts";
import { issueCodeFor } from "./code.ts";
import { one } from "./parameters.ts";
import { DECIDED_BY, findPending, gone, type Pending, readPending, reentryUrl } from "./pending.ts";
import * as store from "./store.ts";
import { answerTo, denied, type Outcome, refusalTo } from "./target.ts";

/** What the consent page of old names a request by: it posts `""` for what the request did not have. */
export type Match = Readonly<Partial<Record<(typeof DECIDED_BY)[number], string>>>;

export interface Decision {
  readonly requestId?: string | undefined;
  /** Used where there is no request_id; beside one, client and redirect URI must be those of the request. */
  readonly match?: Match | undefined;
  readonly session: HostedSession;
  readonly approve: boolean;
}

/** Requests of one session that may wait at a time, to be told apart by what they hold. */
const MAX_WAITING = 50;

/**
 * Gives or refuses consent to a request that waits for this session, once. Every value is the stored one. Answers where
 * the browser goes next: to the client, or, where the answer is a form (`form_post`), back to the authorization endpoint.
 * Throws `bad_request` for a request that is unknown, decided, or another session's.
 */
export async function decide(
  deps: Deps,
  caller: Caller,
  { requestId, match, session, approve }: Decision,
): Promise<{ redirect: string }> {
  const pending = await (requestId === undefined
    ? findMatch(deps, match ?? {}, session)
    : findNamed(deps, requestId, match ?? {}));
  if (pending === undefined || pending.row.loginSessionId !== session.id) throw gone();
  const visit = await assertStillIn(deps, pending, session);
  const refusal = approve ? await refusalOf(deps, visit, session) : denied();
  return settle(deps, caller, { pending, visit, session, approve, refusal });
}

async function findNamed(deps: Deps, requestId: string, match: Match) {
  const pending = await findPending(deps, requestId);
  // A page that believes to decide about something else must not decide about this.
  const isOther = (name: "client_id" | "redirect_uri") =>
    match[name] !== undefined && match[name] !== one(pending?.row.parameters ?? {}, name);
  return isOther("client_id") || isOther("redirect_uri") ? undefined : pending;
}

async function findMatch(deps: Deps, match: Match, { id }: HostedSession) {
  const rows = await store.undecidedOf(deps.db.read, id, deps.clock.now(), MAX_WAITING);
  const row = rows.find(({ parameters }) =>
    DECIDED_BY.every((name) => {
      const value = one(parameters, name) ?? "";
      return value === (match[name] ?? (name === "code_challenge_method" ? value : ""));
    }),
  );
  return row && readPending(deps, undefined, row);
}

/** Step 11 once more: the session may have grown too old meanwhile, or lost what made it good. */
async function assertStillIn(
  deps: Deps,
  { row, request }: Pending,
  session: HostedSession,
): Promise<Visit> {
  const visit = { request, arrivedAt: row.createdAt, selectedAt: row.selectedAt };
  try {
    if (serves(visit, session) && !(await needsLogin(deps, visit, session))) return visit;
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
  }
  throw new AppError("bad_request", "sign in again for this request");
}

/** Step 13 once more. */
async function refusalOf(deps: Deps, visit: Visit, session: HostedSession) {
  try {
    await assertMember(deps.db.read, visit, session);
    return undefined;
  } catch (error) {
    if (error instanceof OAuthError) return error;
    throw error;
  }
}

interface Settlement {
  readonly pending: Pending;
  readonly visit: Visit;
  readonly session: HostedSession;
  /** What was said. */
  readonly approve: boolean;
  /** What the client is told; undefined: consent. */
  readonly refusal: OAuthError | undefined;
}

async function settle(
  deps: Deps,
  caller: Caller,
  { pending, visit, session, approve, refusal }: Settlement,
): Promise<{ redirect: string }> {
  const { request } = visit;
  const { client, target, scopes, claimNames } = request;
  const isForm = target.responseMode === "form_post";
  // Only its hash is known of a request that was found by what it holds: to come back, it gets a new name.
  const renamed = isForm && pending.requestId === undefined ? newToken(deps.random) : undefined;
  const outcome = await deps.db.transaction(
    async (tx): Promise<Outcome | undefined> => {
      const decision = {
        hash: pending.row.requestHash,
        newHash: renamed?.hash,
        loginSessionId: session.id,
        approved: refusal === undefined,
        consumes: !isForm,
        now: deps.clock.now(),
      };
      if (!(await store.decideRequest(tx, decision))) throw gone();
      const answer = refusal && refusalTo(deps, target, refusal);
      if (refusal === undefined) {
        const { userId } = session;
        const consent = { userId, clientRowId: client.id, scopes, claims: claimNames };
        await rememberConsent(deps, tx, consent);
      }
      const code = isForm || refusal ? undefined : await issueCodeFor(deps, tx, visit, session);
      await recordAudit(deps, tx, userAuthor(caller, session.userId), {
        tenantId: client.tenantId,
        action: refusal === undefined ? "oauth.consent_granted" : "oauth.consent_denied",
        resource: { type: "oidc_client", id: client.id },
        metadata: {
          client_id: client.clientId,
          scopes: [...scopes],
          ...(approve && refusal && { reason: "membership" }),
        },
      });
      return code === undefined ? answer : answerTo(deps, target, { code });
    },
    { serializeOn: client.tenantId },
  );
  // A form can't travel in an answer of JSON, nor in a redirect: the browser comes back for it.
  if (outcome?.kind === "redirect") return { redirect: outcome.location };
  const requestId = renamed?.token ?? pending.requestId;
  assert(requestId, "a decided request without a name");
  return { redirect: reentryUrl(deps, client.clientId, requestId) };
}
