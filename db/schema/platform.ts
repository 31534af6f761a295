import { bytes, index, instant, json, table, text } from "../kit.ts";

/** What the whole deployment remembers about itself: its origin, the id of its root key. */
export const instanceFacts = table("instance_facts", {
  name: text().primaryKey(),
  value: text().notNull(),
  updatedAt: instant().notNull(),
});

/** Keys that the server made or imported, private halves sealed under the root key. */
export const signingKeys = table(
  "signing_keys",
  {
    /** RFC 7638 thumbprint. */
    kid: text().primaryKey(),
    use: text(["token", "audit"]).notNull(),
    alg: text(["ES256", "RS256", "EdDSA"]).notNull(),
    publicJwk: json<Record<string, string>>().notNull(),
    /** Null once retired: it only verifies then. */
    privateSealed: bytes(),
    status: text(["active", "retired"]).notNull(),
    createdAt: instant().notNull(),
    retiredAt: instant(),
  },
  (t) => [index("signing_keys_use_alg_status_idx").on(t.use, t.alg, t.status)],
);

/** One row a background job: whoever holds the lease runs it. */
export const jobLeases = table("job_leases", {
  name: text().primaryKey(),
  holder: text().notNull(),
  leaseUntil: instant().notNull(),
  lastFinishedAt: instant(),
});
