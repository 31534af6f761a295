import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { DiscoveryBody, JwksBody } from "./model.ts";
import { discoveryOf } from "./service.ts";

// Contract 01 §7, 03 §3: for anybody's browser, kept for five minutes; no bucket, since every relying party asks.
const http = { cors: "any", cache: "public, max-age=300", rate: false } as const;

export const keyRoutes = (deps: Deps) =>
  routeGroup({ name: "keys", prefix: "/.well-known", tag: "OIDC" })
    .get(
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
    )
    .get("/openid-configuration", () => discoveryOf(deps), {
      public: true,
      http,
      response: { 200: DiscoveryBody },
      detail: { operationId: "getOpenIdConfiguration", summary: "OpenID Provider metadata" },
    });
