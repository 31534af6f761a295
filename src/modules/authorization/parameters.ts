/** The parameters of an authorization request as they arrive: which there are, and how much of each is read. */
import { MAX_RESOURCE_CHARACTERS } from "../../platform/resources.ts";

/** What is kept of a request. `resource` alone has several values. */
export type Parameters = Readonly<Record<string, string | string[]>>;

export interface Received {
  readonly parameters: Parameters;
  /** The first thing wrong with the form of it; what is told twice, or is too long, is not among the parameters. */
  readonly fault: string | undefined;
}

const MAX_CHARACTERS = 8_192;
const MAX_RESOURCES = 10;

/**
 * All that this server understands, with the characters that each may have: OpenID Connect Core §3.1.2.1 and §6, RFC 6749
 * §4.1.1, RFC 7636 §4.3, RFC 8707 §2, RFC 9126 §4, RFC 9449 §10. Anything else is ignored.
 */
export const LIMITS = {
  client_id: MAX_CHARACTERS,
  redirect_uri: MAX_CHARACTERS,
  response_type: MAX_CHARACTERS,
  response_mode: MAX_CHARACTERS,
  scope: MAX_CHARACTERS,
  state: 2_048,
  nonce: 2_048,
  code_challenge: MAX_CHARACTERS,
  code_challenge_method: MAX_CHARACTERS,
  prompt: MAX_CHARACTERS,
  max_age: MAX_CHARACTERS,
  id_token_hint: MAX_CHARACTERS,
  login_hint: MAX_CHARACTERS,
  acr_values: MAX_CHARACTERS,
  claims: MAX_CHARACTERS,
  display: MAX_CHARACTERS,
  ui_locales: MAX_CHARACTERS,
  resource: MAX_CHARACTERS,
  dpop_jkt: MAX_CHARACTERS,
  request: MAX_CHARACTERS,
  request_uri: MAX_CHARACTERS,
  registration: MAX_CHARACTERS,
  /** Ours: brings a stored request back. */
  request_id: MAX_CHARACTERS,
} as const satisfies Record<string, number>;

export type ParameterName = keyof typeof LIMITS;

/** What no text holds: Postgres refuses U+0000, and U+FFFD is what bytes that are not UTF-8 are decoded to. */
const BROKEN = /[\0\uFFFD]/;

/** From the raw query: a parsed one would hide what was said twice. */
export const readQuery = (search: string): Received => read(new URLSearchParams(search));

/** From the body of a form, in which the kernel has found no parameter twice. */
export const readForm = (form: Readonly<Record<string, unknown>>): Received =>
  read(
    Object.entries(form).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, String(one)]),
    ),
  );

function read(pairs: Iterable<[string, string]>): Received {
  const parameters: Record<string, string> = {};
  const resources: string[] = [];
  const seen = new Set<string>();
  const broken = new Map<string, string>();
  for (const [name, value] of pairs) {
    // RFC 6749 §3.1: parameters MUST NOT be included more than once; unknown ones count, they may be a mistake.
    if (seen.has(name) && name !== "resource") broken.set(name, `repeated parameter ${name}`);
    seen.add(name);
    // RFC 6749 §3.1: without a value it was omitted.
    if (!Object.hasOwn(LIMITS, name) || value === "") continue;
    const limit = LIMITS[name as ParameterName];
    if (value.length > limit) broken.set(name, `${name} is longer than ${limit} characters`);
    else if (BROKEN.test(value)) broken.set(name, `${name} is not UTF-8 text`);
    else if (name === "resource") resources.push(value);
    else parameters[name] = value;
  }
  if (resources.length > MAX_RESOURCES)
    broken.set("resource", `more than ${MAX_RESOURCES} resources`);
  if (resources.join("").length > MAX_RESOURCE_CHARACTERS)
    broken.set(
      "resource",
      `resources are longer than ${MAX_RESOURCE_CHARACTERS} characters together`,
    );
  // Which of two values was meant nobody knows: not even a redirect goes by one of them.
  for (const name of broken.keys()) delete parameters[name];
  const [fault] = broken.values();
  return {
    parameters: { ...parameters, ...(resources.length > 0 && { resource: resources }) },
    fault: fault?.slice(0, 200),
  };
}

/** The one value of a parameter. */
export function one(parameters: Parameters, name: ParameterName | "hint_sub"): string | undefined {
  const value = parameters[name];
  return typeof value === "string" ? value : undefined;
}

/** The members of a list in one value, which spaces separate; no member twice. */
export const listOf = (parameters: Parameters, name: ParameterName): string[] => [
  ...new Set((one(parameters, name) ?? "").split(" ").filter((member) => member !== "")),
];

export const resourcesOf = ({ resource }: Parameters): readonly string[] =>
  Array.isArray(resource) ? resource : [];
