/** What a client may ask, and how: the steps of contract 03 §7.2 that need nobody in front of the browser. */
import { OAuthError, type OAuthErrorCode } from "../../platform/errors.ts";
import type { OAuthClient } from "../../platform/oauth-client.ts";
import { isResource } from "../../platform/resources.ts";
import { claimsFault } from "./claims.ts";
import {
  listOf,
  one,
  type ParameterName,
  type Parameters,
  type Received,
  resourcesOf,
} from "./parameters.ts";

export interface Asked {
  readonly client: OAuthClient;
  readonly parameters: Parameters;
  readonly fault: Received["fault"];
  /** It came to us from the client itself (RFC 9126). */
  readonly isPushed: boolean;
}

interface Rule {
  readonly step: number;
  readonly error: OAuthErrorCode;
  /** What is wrong, in words for whoever wrote the client; undefined when nothing is. */
  readonly fault: (asked: Asked) => string | undefined;
}

const when = (isWrong: boolean, fault: string): string | undefined => (isWrong ? fault : undefined);
const has = ({ parameters }: Asked, name: ParameterName) => one(parameters, name) !== undefined;

/** RFC 6749 §3.3; contract 03 §2. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/;
const MAX_SCOPES = 100;
/** base64url of a SHA-256: of a verifier (RFC 7636 §4.2), of a key (RFC 7638). */
const SHA256 = /^[A-Za-z0-9_-]{43}$/;
/** Ten digits of seconds are three centuries. */
const SECONDS = /^\d{1,10}$/;

/** In this order: the first that is broken is the answer. */
const RULES: readonly Rule[] = [
  { step: 1, error: "invalid_request", fault: ({ fault }) => fault },
  {
    step: 2, // RFC 9126 §5
    error: "invalid_request",
    fault: ({ client, isPushed }) =>
      when(client.requirePar && !isPushed, "this client must push its authorization requests"),
  },
  {
    step: 3,
    error: "invalid_request",
    fault: ({ parameters }) =>
      when(
        !["query", "form_post"].includes(one(parameters, "response_mode") ?? "query"),
        "response_mode must be query or form_post",
      ),
  },
  {
    step: 4,
    error: "request_not_supported",
    fault: (asked) => when(has(asked, "request"), "request objects are not supported"),
  },
  {
    step: 4,
    error: "request_uri_not_supported",
    fault: (asked) =>
      when(
        has(asked, "request_uri"),
        "request_uri must come from the endpoint for pushed requests",
      ),
  },
  {
    step: 4,
    error: "registration_not_supported",
    fault: (asked) => when(has(asked, "registration"), "registration is not supported"),
  },
  {
    step: 5,
    error: "invalid_request",
    fault: (asked) => when(!has(asked, "response_type"), "response_type is missing"),
  },
  {
    step: 5,
    error: "unsupported_response_type",
    fault: ({ parameters }) =>
      when(one(parameters, "response_type") !== "code", "response_type must be code"),
  },
  {
    step: 5,
    error: "unauthorized_client",
    fault: ({ client }) =>
      when(
        !client.grantTypes.includes("authorization_code"),
        "the client is not registered for authorization_code",
      ),
  },
  { step: 6, error: "invalid_scope", fault: scopeFault },
  { step: 6, error: "invalid_target", fault: resourceFault },
  { step: 7, error: "invalid_request", fault: challengeFault },
  {
    step: 7, // RFC 9449 §10
    error: "invalid_request",
    fault: ({ parameters }) =>
      when(
        !SHA256.test(one(parameters, "dpop_jkt") ?? "0".repeat(43)),
        "dpop_jkt must be the SHA-256 thumbprint of a key",
      ),
  },
  {
    step: 8,
    error: "invalid_request",
    fault: ({ parameters }) => {
      const prompt = listOf(parameters, "prompt");
      return when(
        prompt.includes("none") && prompt.length > 1,
        "prompt none goes with no other value",
      );
    },
  },
  {
    step: 8,
    error: "invalid_request",
    fault: ({ parameters }) =>
      when(
        !SECONDS.test(one(parameters, "max_age") ?? "0"),
        "max_age must be a whole number of seconds",
      ),
  },
  {
    step: 8,
    error: "invalid_request",
    fault: ({ parameters }) => claimsFault(one(parameters, "claims")),
  },
];

/** Throws the OAuthError of the first rule that a request breaks. */
export function assertAllowed(asked: Asked): void {
  for (const { error, fault } of RULES) {
    const found = fault(asked);
    if (found !== undefined) throw new OAuthError(error, found);
  }
}

function scopeFault({ client, parameters }: Asked): string | undefined {
  const scopes = listOf(parameters, "scope");
  if (scopes.length > MAX_SCOPES) return `more than ${MAX_SCOPES} scopes`;
  if (!scopes.every((scope) => SCOPE.test(scope))) return "scope holds what no scope is named";
  const strange = scopes.find((scope) => !client.scopes.includes(scope));
  return when(strange !== undefined, `the client is not registered for scope ${strange}`);
}

function resourceFault({ parameters }: Asked): string | undefined {
  return when(
    !resourcesOf(parameters).every(isResource),
    "resource must be an absolute URI without a fragment",
  );
}

/** RFC 7636 §4.3; RFC 9700 §2.1.1: S256 alone, and for public clients always. */
function challengeFault({ client, parameters }: Asked): string | undefined {
  const challenge = one(parameters, "code_challenge");
  const method = one(parameters, "code_challenge_method");
  if (challenge === undefined) {
    if (method !== undefined) return "code_challenge_method comes without a code_challenge";
    const isRequired = client.requirePkce || client.type === "public";
    return when(isRequired, "this client must send a code_challenge");
  }
  if (method !== "S256") return "code_challenge_method must be S256";
  return when(!SHA256.test(challenge), "code_challenge must be 43 characters of base64url");
}
