import { invalidField } from "../../platform/errors.ts";

const SYNTAX = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])$/;
const RESERVED = new Set(["admin", "api", "app", "auth", "login", "www"]);
const MAX_CHARS = 64;

/** A slug as asked for, trimmed and lower case. Throws 422. */
export function parseSlug(text: string): string {
  const slug = text.trim().toLowerCase();
  if (slug.length < 2) throw invalidField("slug", "too_short", "slug must have 2 to 64 characters");
  if (slug.length > MAX_CHARS)
    throw invalidField("slug", "too_long", "slug must have 2 to 64 characters");
  if (!SYNTAX.test(slug))
    throw invalidField(
      "slug",
      "invalid",
      "slug may hold letters a to z, digits and hyphens, and neither begins nor ends with a hyphen",
    );
  if (isReserved(slug)) throw invalidField("slug", "not_allowed", `slug ${slug} is reserved`);
  return slug;
}

const isReserved = (slug: string) => RESERVED.has(slug) || slug.startsWith("personal-");

/** What a name without a slug gets: `Acme GmbH` → `acme-gmbh`, `acme-gmbh-2`, `acme-gmbh-3`, … */
export function* slugsFor(name: string): Generator<string> {
  const plain = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_CHARS - 6)
    .replace(/^-+|-+$/g, "");
  const base =
    plain.length < 2 || isReserved(plain) ? `workspace-${plain}`.replace(/-$/, "") : plain;
  yield base;
  for (let n = 2; ; n += 1) yield `${base}-${n}`;
}
