/** Asking for a link. Whatever comes of it, the answer is the same, and takes as long. */
import type { Tx } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { newToken } from "../../platform/crypto/tokens.ts";
import { type EmailAddress, parseEmail } from "../../platform/email.ts";
import { noEarlierThan } from "../../platform/http/floor.ts";
import { queueMail } from "../../platform/mail/service.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit } from "../audit/service.ts";
import { isMember, selectForSignIn, type UserRow } from "../users/service.ts";
import * as store from "./store.ts";

/** Neither how long a look-up takes, nor whether a mail was queued, can be read off the answer's time. */
const FLOOR_MS = 250;
const HOUR_MS = 3_600_000;

export interface LinkRequest {
  readonly email: string;
  /** Scopes a magic link; must be a tenant of the user, else nothing is sent. */
  readonly tenantId?: string | undefined;
}

/** Mails a link to set a new password, if the address has an active account. Throws 422 for what is no address. */
export function startPasswordReset(deps: Deps, caller: Caller, input: LinkRequest): Promise<void> {
  const address = parseEmail(input.email);
  return noEarlierThan(FLOOR_MS, () =>
    forActiveUser(deps, address, input.tenantId, async (tx, user) => {
      const now = deps.clock.now();
      const { token, hash } = newToken(deps.random);
      await store.voidResets(tx, user.id, now);
      await store.insertReset(tx, {
        id: deps.random.uuid(),
        userId: user.id,
        tokenHash: hash,
        expiresAt: new Date(now.getTime() + HOUR_MS),
        createdAt: now,
      });
      await queueMail(deps, tx, {
        template: "password_reset",
        to: user.email,
        userId: user.id,
        tenantId: user.tenantId,
        variables: { reset_url: `${deps.config.appBaseUrl}/reset?token=${token}` },
      });
      await recordAudit(
        deps,
        tx,
        { system: true, userId: user.id, caller },
        {
          tenantId: null,
          action: "auth.password_reset_requested",
          resource: { type: "user", id: user.id },
        },
      );
    }),
  );
}

/** Mails a link to sign in, if the address has an active account. Throws 422 for what is no address. */
export function startMagicLink(deps: Deps, caller: Caller, input: LinkRequest): Promise<void> {
  const address = parseEmail(input.email);
  return noEarlierThan(FLOOR_MS, () =>
    forActiveUser(deps, address, input.tenantId, async (tx, user) => {
      const now = deps.clock.now();
      const { token, hash } = newToken(deps.random);
      await store.voidMagicLinks(tx, user.id, now);
      await store.insertMagicLink(tx, {
        id: deps.random.uuid(),
        tenantId: input.tenantId ?? user.tenantId,
        userId: user.id,
        email: user.email,
        tokenHash: hash,
        expiresAt: new Date(now.getTime() + HOUR_MS),
        createdAt: now,
      });
      await queueMail(deps, tx, {
        template: "magic_link",
        to: user.email,
        userId: user.id,
        tenantId: user.tenantId,
        variables: { magic_url: `${deps.config.appBaseUrl}/magic?token=${token}` },
      });
      await recordAudit(
        deps,
        tx,
        { system: true, userId: user.id, caller },
        {
          tenantId: user.tenantId,
          action: "auth.magic_link_sent",
          resource: { type: "user", id: user.id },
        },
      );
    }),
  );
}

async function forActiveUser(
  deps: Deps,
  { emailKey }: EmailAddress,
  tenantId: string | undefined,
  send: (tx: Tx, user: UserRow) => Promise<void>,
): Promise<void> {
  // Three in ten minutes for an address, links of both kinds together; beyond that, silence (contract 01 §10).
  const { waitSeconds } = await deps.rate.take("mail", emailKey);
  if (waitSeconds > 0) return;
  const [found] = await selectForSignIn(deps.db.read, { emailKey });
  const user = found?.user;
  if (!user || (user.status !== "active" && user.status !== "invited")) return;
  if (tenantId !== undefined && !(await isMember(deps.db.read, tenantId, user.id))) return;
  await deps.db.transaction((tx) => send(tx, user), { serializeOn: user.tenantId ?? "platform" });
}
