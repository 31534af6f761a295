import { eq } from "drizzle-orm";
import type { Db, Reader } from "../../../db/client.ts";
import { instanceFacts } from "../../../db/schema/platform.ts";
import { hostOf, isLoopback } from "../../config/gates.ts";
import { CommandError, EXIT } from "../command.ts";

const FACT = "public_url";

/** The origin that this database was made under; undefined for a fresh one. */
export async function storedOrigin(q: Reader): Promise<string | undefined> {
  const [fact] = await q.select().from(instanceFacts).where(eq(instanceFacts.name, FACT));
  return fact?.value;
}

/**
 * Binds a fresh database to its public origin, and refuses another one later (contract 00 §57): tokens, passkeys
 * and links carry it. Throws CommandError (78). What a loopback origin made, nobody else ever saw: it gives way
 * without a flag while nothing that outlives a session is bound to it.
 */
export async function claimOrigin(
  db: Db,
  options: { origin: string; accept: boolean; isBoundElsewhere: boolean; at: Date },
): Promise<"same" | "first" | "changed"> {
  const { origin, at } = options;
  const stored = await storedOrigin(db.read);
  if (stored === origin) return "same";
  const wasLocal = stored !== undefined && isLoopback(hostOf(stored));
  if (stored !== undefined && !options.accept && (!wasLocal || options.isBoundElsewhere))
    throw new CommandError(refusal(stored, origin), EXIT.config);
  await db.transaction(async (tx) => {
    await tx
      .insert(instanceFacts)
      .values({ name: FACT, value: origin, updatedAt: at })
      .onConflictDoUpdate({ target: instanceFacts.name, set: { value: origin, updatedAt: at } });
  });
  return stored === undefined ? "first" : "changed";
}

const refusal = (stored: string, origin: string): string =>
  `This database was made under ${stored}, but PUBLIC_URL is ${origin}.
Under another origin
  - access tokens that are out there end at once: their issuer is ${stored}
  - passkeys work no more: browsers bind them to ${hostOf(stored)}
  - clients and identity providers that know ${stored} must be set up anew
  - links in mails that were sent lead to ${stored}
If that is what you want, start once with --accept-new-public-url.`;
