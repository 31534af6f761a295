/** The `claims` parameter (OpenID Connect Core 1.0 §5.5). */
import { type ClaimsRequest, USER_CLAIMS } from "../tokens/service.ts";

/** Of one claim: null, or what is wanted of it. */
type Wanted = { readonly essential?: unknown; readonly value?: unknown; readonly values?: unknown };
const PLACES = ["userinfo", "id_token"] as const;
const MAX_CLAIMS = 100;
const MAX_NAME = 128;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What is wrong with it; undefined when nothing is, or there is none. */
export function claimsFault(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const request = parse(text);
  if (!isObject(request)) return "claims must be a JSON object";
  for (const place of PLACES) {
    const wanted = request[place];
    if (wanted === undefined || wanted === null) continue;
    if (!isObject(wanted)) return `claims: ${place} must be an object`;
    const entries = Object.entries(wanted);
    if (entries.length > MAX_CLAIMS) return `claims: ${place} names more than ${MAX_CLAIMS} claims`;
    for (const [name, one] of entries) {
      // Postgres keeps no U+0000, and no database half a surrogate pair.
      if (name.length > MAX_NAME || !/^[\x21-\x7E]+$/.test(name))
        return `claims: ${place} names what no claim is called`;
      if (one !== null && !isObject(one)) return `claims: a member of ${place} is no object`;
    }
  }
  if (/\\u(?:0000|d[89a-f])/i.test(text)) return "claims must hold no U+0000 and no surrogates";
  return undefined;
}

/** A request that `claimsFault` found nothing wrong with; null where it asks for nothing. */
export function claimsOf(text: string | undefined): ClaimsRequest | null {
  if (text === undefined) return null;
  const request = parse(text) as Record<string, Record<string, unknown> | null | undefined>;
  const places = PLACES.flatMap((place): [string, Record<string, unknown>][] => {
    const wanted = request[place];
    return wanted && Object.keys(wanted).length > 0 ? [[place, wanted]] : [];
  });
  return places.length === 0 ? null : Object.fromEntries(places);
}

/** The claims about the person, as consent names them: `userinfo.name`. Nobody is asked about what nobody gets. */
export const claimNamesOf = (claims: ClaimsRequest | null): string[] =>
  Object.entries(claims ?? {}).flatMap(([place, wanted]) =>
    Object.keys(wanted)
      .filter((name) => USER_CLAIMS.includes(name))
      .map((name) => `${place}.${name}`),
  );

export interface WantedClaim {
  readonly essential: boolean;
  /** Any of these; empty where any will do. */
  readonly values: readonly string[];
}

/** What is wanted of one claim, wherever it shall be. */
export function wantedOf(claims: ClaimsRequest | null, name: string): WantedClaim[] {
  return PLACES.flatMap((place) => {
    const wanted = claims?.[place]?.[name] as Wanted | null | undefined;
    if (wanted === undefined || wanted === null) return [];
    const { essential, value, values } = wanted;
    const listed = [value, ...(Array.isArray(values) ? values : [])];
    return [
      {
        essential: essential === true,
        values: listed.filter((one): one is string => typeof one === "string"),
      },
    ];
  });
}
