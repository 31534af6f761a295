/** The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2), step by step as contract 03 §7.2 has it. */
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { OAuthError } from "../../platform/errors.ts";
import type { HostedSession } from "../sessions/service.ts";
import { assertMember, needsConsent, needsLogin, serves, type Visit } from "./checks.ts";
import { issueCodeFor } from "./code.ts";
import { one, type Received, readForm, readQuery } from "./parameters.ts";
import {
  browserTokenOf,
  consentAddress,
  findPending,
  gone,
  isOfBrowser,
  keepRequest,
  loginAddress,
  reentryUrl,
} from "./pending.ts";
import { isPushedUri, takePushed } from "./pushed.ts";
import { type AuthorizationRequest, checkParameters, requestOf } from "./request.ts";
import { assertAllowed } from "./rules.ts";
import * as store from "./store.ts";
import {
  answerTo,
  clientOf,
  denied,
  type Outcome,
  refusalTo,
  type Target,
  targetOf,
} from "./target.ts";

/** What the browser brings. */
export interface Visitor {
  /** Behind cookie `qe_ls`. */
  readonly session: HostedSession | undefined;
  /** Cookie `qe_ar`. */
  readonly browser: string | undefined;
}

export interface Answered {
  readonly outcome: Outcome;
  /** For cookie `qe_ar`: a request waits for this browser. */
  readonly browser?: string;
}

/** A request on its way through the steps. */
interface Arrival extends Visit {
  /** Undefined while nothing had to be asked: then nothing is stored either. */
  readonly pending: { readonly requestId: string; readonly row: store.RequestRow } | undefined;
}

/**
 * `GET`: a new request, or one that comes back (`request_id`). Throws `bad_request` for what becomes a page; everything
 * else, refusals too, is an answer for the browser.
 */
export function authorize(deps: Deps, visitor: Visitor, search: string): Promise<Answered> {
  const received = readQuery(search);
  const requestId = one(received.parameters, "request_id");
  return requestId === undefined
    ? begin(deps, visitor, received)
    : resume(deps, visitor, received, requestId);
}

/**
 * `POST`: a form from another site brings no Lax cookie, so the request is stored and the browser comes back for it with
 * GET. Only then is it bound to the browser: a cookie set here would take the place of the one that the browser has.
 */
export async function authorizeByPost(
  deps: Deps,
  form: Readonly<Record<string, unknown>>,
): Promise<Outcome> {
  const opened = await open(deps, readForm(form));
  return refusingTo(deps, opened.target, async () => {
    const request = await checked(deps, opened);
    const requestId = await keepRequest(deps, request, deps.clock.now(), {});
    return { kind: "redirect", location: reentryUrl(deps, request.client.clientId, requestId) };
  });
}

interface Opened {
  readonly client: AuthorizationRequest["client"];
  readonly received: Received;
  readonly isPushed: boolean;
  readonly target: Target;
}

/** Step 2: who asks, and where the answer goes. What the client has pushed takes the place of all else (RFC 9126 §4). */
async function open(deps: Deps, received: Received): Promise<Opened> {
  const client = await clientOf(deps, received.parameters);
  const uri = one(received.parameters, "request_uri");
  const isPushed = uri !== undefined && isPushedUri(uri);
  const parameters = isPushed ? await takePushed(deps, client, uri) : received.parameters;
  const target = targetOf(client, parameters);
  return { client, received: { parameters, fault: received.fault }, isPushed, target };
}

/** Steps 1 and 3 to 9. */
const checked = async (
  deps: Deps,
  { client, received, isPushed }: Opened,
): Promise<AuthorizationRequest> =>
  requestOf(client, await checkParameters(deps, client, received, isPushed));

async function begin(deps: Deps, visitor: Visitor, received: Received): Promise<Answered> {
  const opened = await open(deps, received);
  return refusing(deps, opened.target, undefined, async () => {
    const request = await checked(deps, opened);
    const arrivedAt = deps.clock.now();
    return proceed(deps, visitor, { request, arrivedAt, selectedAt: null, pending: undefined });
  });
}

/** Step 12: the stored parameters win. */
async function resume(
  deps: Deps,
  visitor: Visitor,
  { parameters }: Received,
  requestId: string,
): Promise<Answered> {
  const pending = await findPending(deps, requestId);
  if (pending === undefined) throw gone();
  const { row, request } = pending;
  if (one(parameters, "client_id") !== request.client.clientId) throw gone();
  const browser = await enter(deps, visitor, row);
  const answered = await refusing(deps, request.target, row.requestHash, async () => {
    if (row.approved === false) throw denied();
    // The client may have been changed since: what it may not ask any more it does not get.
    assertAllowed({ ...request, fault: undefined, isPushed: true });
    const { createdAt } = row;
    const selectedAt = await selectionOf(deps, row, visitor.session);
    return proceed(
      deps,
      { ...visitor, browser },
      {
        request,
        arrivedAt: createdAt,
        selectedAt,
        pending,
      },
    );
  });
  return { browser, ...answered };
}

/** When the account of this session was chosen. That of another one, which was current then, does not count for it. */
async function selectionOf(
  deps: Deps,
  { requestHash, selectedAt, loginSessionId }: store.RequestRow,
  session: HostedSession | undefined,
): Promise<Date | null> {
  if (selectedAt === null || session === undefined || session.id === loginSessionId)
    return selectedAt;
  await deps.db.transaction((tx) =>
    store.selectAccount(tx, requestHash, { selectedAt: null, loginSessionId: null }),
  );
  return null;
}

/** The request's browser, and no other. One that was posted belongs to whoever comes for it first. */
async function enter(deps: Deps, { browser }: Visitor, row: store.RequestRow): Promise<string> {
  if (!isOfBrowser(row, browser)) throw gone();
  const token = browserTokenOf(deps, browser);
  if (row.browserHash !== null) return token;
  const isFirst = await deps.db.transaction((tx) =>
    store.bindBrowser(tx, row.requestHash, hashToken(token)),
  );
  if (!isFirst) throw gone();
  return token;
}

/** Steps 11 and 13 to 15. */
async function proceed(deps: Deps, visitor: Visitor, arrival: Arrival): Promise<Answered> {
  const { request, pending } = arrival;
  const isSilent = request.prompt.includes("none");
  const session = visitor.session && serves(arrival, visitor.session) ? visitor.session : undefined;
  if (session === undefined || (await needsLogin(deps, arrival, session))) {
    if (isSilent) throw new OAuthError("login_required", "the user must sign in");
    return askToSignIn(deps, visitor, arrival);
  }
  await assertMember(deps.db.read, arrival, session);
  if (!isDecided(arrival, session) && (await needsConsent(deps.db.read, arrival, session))) {
    if (isSilent) throw new OAuthError("consent_required", "the user must consent");
    return askForConsent(deps, visitor, arrival, session);
  }
  const code = await deps.db.transaction(async (tx) => {
    // One answer to one request, however often it comes back (RFC 9700 §4.5).
    if (pending && !(await store.consumeRequest(tx, pending.row.requestHash, deps.clock.now())))
      throw gone();
    return issueCodeFor(deps, tx, arrival, session);
  });
  return { outcome: answerTo(deps, request.target, { code }) };
}

/** Consent was given, by this session, on a page whose answer could not carry a form (`form_post`). */
const isDecided = ({ pending }: Arrival, { id }: HostedSession): boolean =>
  pending?.row.approved === true && pending.row.loginSessionId === id;

async function askToSignIn(deps: Deps, visitor: Visitor, arrival: Arrival): Promise<Answered> {
  const { request, arrivedAt, pending } = arrival;
  const browser = browserTokenOf(deps, visitor.browser);
  const requestId =
    pending?.requestId ?? (await keepRequest(deps, request, arrivedAt, { browser }));
  const location = loginAddress(deps, request, requestId);
  return { outcome: { kind: "redirect", location }, browser };
}

/** The request is tied to the session that answered all else: that one alone may decide. */
async function askForConsent(
  deps: Deps,
  visitor: Visitor,
  arrival: Arrival,
  { id: loginSessionId }: HostedSession,
): Promise<Answered> {
  const { request, arrivedAt, pending } = arrival;
  const browser = browserTokenOf(deps, visitor.browser);
  if (pending !== undefined && pending.row.loginSessionId !== loginSessionId)
    await deps.db.transaction((tx) =>
      store.tieToSession(tx, { hash: pending.row.requestHash, loginSessionId }),
    );
  const requestId =
    pending?.requestId ??
    (await keepRequest(deps, request, arrivedAt, { browser, loginSessionId }));
  const location = consentAddress(deps, request, requestId);
  return { outcome: { kind: "redirect", location }, browser };
}

/** Runs `work`; a refusal is an answer like any other, and the end of a stored request. */
async function refusing(
  deps: Deps,
  target: Target,
  pendingHash: string | undefined,
  work: () => Promise<Answered>,
): Promise<Answered> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    const { now } = deps.clock;
    if (pendingHash !== undefined)
      await deps.db.transaction((tx) => store.consumeRequest(tx, pendingHash, now()));
    return { outcome: refusalTo(deps, target, error) };
  }
}

const refusingTo = async (deps: Deps, target: Target, work: () => Promise<Outcome>) =>
  (await refusing(deps, target, undefined, async () => ({ outcome: await work() }))).outcome;
