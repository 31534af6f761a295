import { eq } from "drizzle-orm";
import type { Db, Reader } from "../../../db/client.ts";
import { instanceFacts, oidcClients } from "../../../db/schema/index.ts";
import { hostOf, isLoopback } from "../../config/gates.ts";
import { CommandError, EXIT } from "../command.ts";

const FACT = "public_url";

/** The origin that this database was made under; undefined for a fresh one. */
export async function storedOrigin(q: Reader): Promise<string | undefined> {
  const [fact] = await q.select().from(instanceFacts).where(eq(instanceFacts.name, FACT));
  return fact?.value;
}

/** Whether clients know this server by its origin. Passkeys and SAML parties join with their domains. */
export async function isKnownElsewhere(q: Reader): Promise<boolean> {
  return (await q.select({ id: oidcClients.id }).from(oidcClients).limit(1)).length > 0;
}

/**
 * Refuses another public origin than the database's (contract 00 §57): tokens, passkeys and links carry it. Throws
 * CommandError (78). What a loopback origin made, nobody else ever saw: it gives way without a flag while nothing
 * that outlives a session is bound to it. Answers the stored origin, undefined at the first start.
 */
export async function checkOrigin(
  q: Reader,
  options: { origin: string; accept: boolean; isBoundElsewhere: boolean },
): Promise<string | undefined> {
  const { origin } = options;
  const stored = await storedOrigin(q);
  const wasLocal = stored !== undefined && isLoopback(hostOf(stored));
  const mayChange = stored === origin || options.accept || (wasLocal && !options.isBoundElsewhere);
  if (stored !== undefined && !mayChange)
    throw new CommandError(refusal(stored, origin), EXIT.config);
  return stored;
}

/** Binds the database to the origin that `checkOrigin` has let through. */
export async function claimOrigin(db: Db, origin: string, at: Date): Promise<void> {
  await db.transaction(async (tx) => {
    await tx
      .insert(instanceFacts)
      .values({ name: FACT, value: origin, updatedAt: at })
      .onConflictDoUpdate({ target: instanceFacts.name, set: { value: origin, updatedAt: at } });
  });
}

const refusal = (stored: string, origin: string): string =>
  `This database was made under ${stored}, but PUBLIC_URL is ${origin}.
Under another origin
  - access tokens that are out there end at once: their issuer is ${stored}
  - passkeys work no more: browsers bind them to ${hostOf(stored)}
  - clients and identity providers that know ${stored} must be set up anew
  - links in mails that were sent lead to ${stored}
If that is what you want, start once with --accept-new-public-url.`;
