import type { Deps } from "../../deps.ts";
import { AppError } from "../errors.ts";
import { uuid4 } from "../random.ts";
import type { Claims } from "./keyring.ts";

/** RFC 9068 §2.1: keeps an ID token from passing for one of these. */
const TYP = "at+jwt";
const NIL_UUID = "00000000-0000-0000-0000-000000000000";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type SigningDeps = Pick<Deps, "config" | "clock" | "keyring" | "random">;

export interface UserTokenSubject {
  readonly userId: string;
  readonly tenantId: string | null;
  readonly sessionId: string;
  /** When the user last proved a first factor. */
  readonly authTime: Date;
  /** RFC 8176 values. */
  readonly amr: readonly string[];
}

/** What a token that is issued to an OAuth client says beside its lifetime. */
export interface ClientToken {
  /** As the client calls itself: `qci_…`, or a service principal's id. */
  readonly clientId: string;
  readonly tenantId: string;
  readonly scopes: readonly string[];
  /** Resource indicators (RFC 8707); empty: this server's own API. */
  readonly resources: readonly string[];
  /** RFC 9449 §6.1: thumbprint of the key that the token is bound to. */
  readonly dpopJkt: string | null;
  /** Not later than this, whatever ACCESS_TOKEN_TTL says. */
  readonly notAfter?: Date;
  /** RFC 8693 §4.1. */
  readonly act?: { readonly sub: string };
  readonly holder:
    | {
        readonly kind: "user";
        readonly userId: string;
        readonly grantId: string;
        readonly sid: string;
        readonly authTime: Date;
        readonly amr: readonly string[];
        readonly acr: string;
      }
    /** A machine for itself; `subject` is the id of its row. */
    | { readonly kind: "service"; readonly subject: string };
}

/** What a valid access token says; whether it still holds is the database's to say (contract 01 §5). */
export interface AccessToken {
  /** User id, service principal id, or the row id of a client that acts for itself. */
  readonly subject: string;
  readonly actorType: "user" | "service";
  readonly userId: string | null;
  readonly tenantId: string | null;
  readonly sessionId: string | null;
  /** Set: issued to an OAuth client. */
  readonly clientId: string | null;
  /** Set for a user's token that an OAuth client has. */
  readonly grantId: string | null;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  /** Set: the token is good with a proof of this key alone (RFC 9449). */
  readonly dpopJkt: string | null;
  readonly act: string | null;
  readonly authTime: Date | null;
  readonly amr: readonly string[];
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly tokenId: string;
}

/**
 * An access token for a first-party session, good for `ACCESS_TOKEN_TTL` from `at` on (whole seconds).
 *
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-2.2
 */
export async function issueAccessToken(
  deps: SigningDeps,
  subject: UserTokenSubject,
  at: Date = deps.clock.now(),
): Promise<{ token: string; expiresAt: Date }> {
  const { jwtAudience, accessTokenTtlSeconds } = deps.config;
  const iat = secondsOf(at);
  return sign(deps, { iat, exp: iat + accessTokenTtlSeconds }, [jwtAudience], {
    sub: subject.userId,
    user_id: subject.userId,
    ...(subject.tenantId !== null && { tenant_id: subject.tenantId }),
    sid: subject.sessionId,
    auth_time: secondsOf(subject.authTime),
    amr: subject.amr,
  });
}

/**
 * An access token for an OAuth client. With resources it is for them alone: this server's own API refuses it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9068#section-2.2
 * @see https://www.rfc-editor.org/rfc/rfc8707#section-2.2
 */
export async function issueClientToken(
  deps: SigningDeps,
  input: ClientToken,
  at: Date = deps.clock.now(),
): Promise<{ token: string; expiresAt: Date }> {
  const { jwtAudience, accessTokenTtlSeconds } = deps.config;
  const { holder, resources, scopes, dpopJkt, act, notAfter } = input;
  const iat = secondsOf(at);
  const latest = notAfter === undefined ? Number.POSITIVE_INFINITY : secondsOf(notAfter);
  const exp = Math.min(iat + accessTokenTtlSeconds, latest);
  const audiences = resources.length > 0 ? resources : [jwtAudience];
  return sign(deps, { iat, exp }, audiences, {
    ...(holder.kind === "user"
      ? {
          sub: holder.userId,
          user_id: holder.userId,
          tenant_id: input.tenantId,
          sid: holder.sid,
          auth_time: secondsOf(holder.authTime),
          acr: holder.acr,
          amr: holder.amr,
          grant_id: holder.grantId,
        }
      : { sub: holder.subject, tenant_id: input.tenantId, actor_type: "service" }),
    client_id: input.clientId,
    ...(scopes.length > 0 && { scope: scopes.join(" ") }),
    ...(dpopJkt !== null && { cnf: { jkt: dpopJkt } }),
    ...(act !== undefined && { act }),
  });
}

async function sign(
  deps: SigningDeps,
  { iat, exp }: { iat: number; exp: number },
  aud: readonly string[],
  claims: Claims,
): Promise<{ token: string; expiresAt: Date }> {
  const token = await deps.keyring.sign(
    "ES256",
    { typ: TYP },
    {
      iss: deps.config.jwtIssuer,
      aud,
      ...claims,
      iat,
      nbf: iat,
      exp,
      jti: uuid4(deps.random),
    },
  );
  return { token, expiresAt: new Date(exp * 1000) };
}

/**
 * Throws `unauthorized`, always the same, for anything but a valid access token of this server. `audience` as in
 * `Keyring.verify`: this server's own API by default, `null` for whomever it was issued for.
 */
export async function verifyAccessToken(
  deps: Pick<Deps, "keyring">,
  token: string,
  { audience }: { readonly audience?: string | null } = {},
): Promise<AccessToken> {
  const claims = await deps.keyring.verify(token, {
    typ: TYP,
    ...(audience !== undefined && { audience }),
  });
  const { sub, scope, actor_type: actorType, auth_time: authTime, amr, aud, cnf, act } = claims;
  // Signed by us, so shaped by us, or by an older or newer version of us: then it is none we can judge.
  const subject = uuidOf(claims, "sub");
  if (subject === null || sub !== subject || (actorType !== undefined && actorType !== "service"))
    throw new AppError("unauthorized");
  return {
    subject,
    actorType: actorType === "service" ? "service" : "user",
    userId: uuidOf(claims, "user_id"),
    tenantId: uuidOf(claims, "tenant_id"),
    sessionId: uuidOf(claims, "sid"),
    clientId: textOf(claims.client_id) ?? null,
    grantId: uuidOf(claims, "grant_id"),
    scopes: (textOf(scope) ?? "").split(" ").filter((one) => one !== ""),
    audiences: [aud].flat().filter((one) => typeof one === "string"),
    dpopJkt: memberOf(cnf, "jkt"),
    act: memberOf(act, "sub"),
    authTime: typeof authTime === "number" ? new Date(authTime * 1000) : null,
    amr: Array.isArray(amr) ? amr.filter((one) => typeof one === "string") : [],
    issuedAt: new Date(Number(claims.iat) * 1000),
    expiresAt: new Date(Number(claims.exp) * 1000),
    tokenId: textOf(claims.jti) ?? "",
  };
}

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);
const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);

function memberOf(value: unknown, name: string): string | null {
  if (typeof value !== "object" || value === null) return null;
  return textOf((value as Record<string, unknown>)[name]) ?? null;
}

/** Contract 01 §6.1: the zero UUID means absent. Throws for what is no UUID. */
function uuidOf(claims: Claims, name: string): string | null {
  const value = claims[name];
  if (value === undefined || value === NIL_UUID) return null;
  if (typeof value !== "string" || !UUID.test(value)) throw new AppError("unauthorized");
  return value;
}
