import type { Deps } from "../../deps.ts";
import { AppError } from "../errors.ts";
import type { Claims } from "./keyring.ts";

/** RFC 9068 §2.1: keeps an ID token from passing for one of these. */
const TYP = "at+jwt";
const NIL_UUID = "00000000-0000-0000-0000-000000000000";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface UserTokenSubject {
  readonly userId: string;
  readonly tenantId: string | null;
  readonly sessionId: string;
  /** When the user last proved a first factor. */
  readonly authTime: Date;
  /** RFC 8176 values. */
  readonly amr: readonly string[];
}

/** What a valid access token says; whether it still holds is the database's to say (contract 01 §5). */
export interface AccessToken {
  /** User id, or service principal id. */
  readonly subject: string;
  readonly actorType: "user" | "service";
  readonly userId: string | null;
  readonly tenantId: string | null;
  readonly sessionId: string | null;
  /** Set: issued to an OAuth client. */
  readonly clientId: string | null;
  readonly scopes: readonly string[];
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
  deps: Pick<Deps, "config" | "clock" | "keyring" | "random">,
  subject: UserTokenSubject,
  at: Date = deps.clock.now(),
): Promise<{ token: string; expiresAt: Date }> {
  const { jwtIssuer, jwtAudience, accessTokenTtlSeconds } = deps.config;
  const iat = secondsOf(at);
  const exp = iat + accessTokenTtlSeconds;
  const token = await deps.keyring.sign(
    "ES256",
    { typ: TYP },
    {
      iss: jwtIssuer,
      aud: [jwtAudience],
      sub: subject.userId,
      user_id: subject.userId,
      ...(subject.tenantId !== null && { tenant_id: subject.tenantId }),
      sid: subject.sessionId,
      auth_time: secondsOf(subject.authTime),
      amr: subject.amr,
      iat,
      nbf: iat,
      exp,
      jti: deps.random.uuid(),
    },
  );
  return { token, expiresAt: new Date(exp * 1000) };
}

/** Throws `unauthorized`, always the same, for anything but a valid access token of this server. */
export async function verifyAccessToken(
  deps: Pick<Deps, "keyring">,
  token: string,
): Promise<AccessToken> {
  const claims = await deps.keyring.verify(token, { typ: TYP });
  const { sub, scope, actor_type: actorType, auth_time: authTime, amr } = claims;
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
    scopes: (textOf(scope) ?? "").split(" ").filter((one) => one !== ""),
    authTime: typeof authTime === "number" ? new Date(authTime * 1000) : null,
    amr: Array.isArray(amr) ? amr.filter((one) => typeof one === "string") : [],
    issuedAt: new Date(Number(claims.iat) * 1000),
    expiresAt: new Date(Number(claims.exp) * 1000),
    tokenId: textOf(claims.jti) ?? "",
  };
}

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);
const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);

/** Contract 01 §6.1: the zero UUID means absent. Throws for what is no UUID. */
function uuidOf(claims: Claims, name: string): string | null {
  const value = claims[name];
  if (value === undefined || value === NIL_UUID) return null;
  if (typeof value !== "string" || !UUID.test(value)) throw new AppError("unauthorized");
  return value;
}
