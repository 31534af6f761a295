import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import type { HostedSession } from "../sessions/service.ts";
import { issueCode, sidOf } from "../tokens/service.ts";
import { acrFor, type Visit } from "./checks.ts";

/** Step 15: what this session has authorized the client to do, as a code. */
export function issueCodeFor(
  deps: Deps,
  tx: Tx,
  visit: Visit,
  session: HostedSession,
): Promise<string> {
  const { request } = visit;
  const { client, target, scopes, nonce, claims, resources, dpopJkt, codeChallenge } = request;
  return issueCode(deps, tx, {
    clientRowId: client.id,
    userId: session.userId,
    tenantId: client.tenantId,
    scopes,
    nonce,
    claims,
    resources,
    dpopJkt,
    loginSessionId: session.id,
    sid: sidOf(deps, session.id, client.id),
    authTime: session.authTime,
    amr: session.amr,
    acr: acrFor(visit, session),
    redirectUri: target.redirectUri,
    codeChallenge,
  });
}
