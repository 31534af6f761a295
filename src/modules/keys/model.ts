import { t } from "elysia";

const text = t.String();

/** RFC 7517 §4, RFC 7518 §6: an EC key has `crv`, `x`, `y`, an RSA key `n`, `e`. */
export const Jwk = t.Object({
  kty: text,
  use: text,
  alg: text,
  kid: text,
  crv: t.Optional(text),
  x: t.Optional(text),
  y: t.Optional(text),
  n: t.Optional(text),
  e: t.Optional(text),
});

export const JwksBody = t.Object({ keys: t.Array(Jwk) });

export const SigningKeys = t.Object({
  keys: t.Array(
    t.Object({
      kid: text,
      alg: text,
      use: t.Literal("sig"),
      status: t.Union([t.Literal("active"), t.Literal("retired")]),
    }),
  ),
});

export const RotateSigningKey = t.Object({
  alg: t.Optional(
    t.Union([t.Literal("ES256"), t.Literal("RS256")], { description: "`ES256` when absent" }),
  ),
});

/** Contract 03 §16.1: the member is what older clients read; the key itself never leaves the server. */
export const RotatedSigningKey = t.Object({
  kid: text,
  alg: text,
  private_key_pem: t.String({ description: "Always empty" }),
  warning: text,
});
