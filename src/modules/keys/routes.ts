import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { JwksBody, RotatedSigningKey, RotateSigningKey, SigningKeys } from "./model.ts";
import { listSigningKeys, rotateSigningKeyAs } from "./service.ts";

// Contract 01 §7, 03 §3: for anybody's browser, kept for five minutes; no bucket, since every relying party asks.
const http = { cors: "any", cache: "public, max-age=300", rate: false } as const;

export const keyRoutes = (deps: Deps) =>
  routeGroup({ name: "keys", prefix: "/.well-known", tag: "OIDC" }).get(
    "/jwks.json",
    async () => {
      const { keys } = await deps.keyring.jwks();
      return { keys: keys.map((key) => ({ ...key })) };
    },
    {
      public: true,
      http,
      response: { 200: JwksBody },
      detail: {
        operationId: "getJwks",
        summary: "Public keys of the tokens that this server signs",
      },
    },
  );

/** Contract 03 §16.1: of the whole deployment, so for its operators alone; the service says who they are. */
export const signingKeyRoutes = (deps: Deps) =>
  routeGroup({ name: "signing-keys", prefix: "/v1/oidc", tag: "OIDC" })
    .get(
      "/signing-keys",
      async ({ actor }) => ({
        keys: (await listSigningKeys(deps, actor)).map(({ kid, alg, status }) => ({
          kid,
          alg,
          use: "sig" as const,
          status,
        })),
      }),
      {
        self: "session",
        response: { 200: SigningKeys, 403: ErrorBody },
        detail: {
          operationId: "listSigningKeys",
          summary: "List the keys that sign and verify tokens; for platform operators",
        },
      },
    )
    .post(
      "/signing-keys/rotate",
      async ({ actor, body }) => {
        const alg = body.alg ?? "ES256";
        return {
          kid: await rotateSigningKeyAs(deps, actor, alg),
          alg,
          private_key_pem: "",
          warning: "The key signs now. The one that it replaces verifies for 30 days more.",
        };
      },
      {
        self: "session",
        http: { bodyOptional: true },
        body: RotateSigningKey,
        response: { 200: RotatedSigningKey, 403: ErrorBody, 409: ErrorBody },
        detail: {
          operationId: "rotateSigningKey",
          summary: "Put a new signing key in the place of the active one; for platform operators",
          description: "409 where the key is set by `JWT_SIGNING_KEY`: set another one there.",
        },
      },
    );
