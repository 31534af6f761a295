/** A relying party's back-channel logout endpoint: takes logout tokens and holds them against the published keys. */
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from "jose";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | null;
  /** Names of the form's parameters. */
  readonly parameters: readonly string[];
  readonly token: string;
}

/** `answer` decides what each delivery is told; it may be changed at any time. */
export function startReceiver() {
  const received: Received[] = [];
  const state = { answer: (): Response | Promise<Response> => new Response(null, { status: 200 }) };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const form = new URLSearchParams(await request.text());
      received.push({
        method: request.method,
        path: new URL(request.url).pathname,
        contentType: request.headers.get("content-type"),
        parameters: [...form.keys()],
        token: form.get("logout_token") ?? "",
      });
      return state.answer();
    },
  });
  return {
    received,
    state,
    uri: `http://127.0.0.1:${server.port}/backchannel`,
    stop: () => server.stop(true),
  };
}

/** Back-Channel Logout 1.0 §2.6, as a relying party does it. Throws for a token that it must refuse. */
export async function verifyLogoutToken(
  token: string,
  { base, issuer, audience, now }: { base: string; issuer: string; audience: string; now: Date },
): Promise<JWTPayload & { sid?: string; events?: Record<string, unknown> }> {
  const keys = createRemoteJWKSet(new URL(`${base}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    typ: "logout+jwt",
    currentDate: now,
    algorithms: ["RS256", "ES256"],
    requiredClaims: ["iat", "exp", "jti", "events"],
  });
  if (!payload.sub && !payload.sid) throw new Error("neither sub nor sid");
  if ("nonce" in payload) throw new Error("a logout token has no nonce");
  return payload;
}
