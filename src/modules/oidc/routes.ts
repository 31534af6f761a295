import type { AnyElysia } from "elysia";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { challenge } from "../../platform/http/headers.ts";
import { ProtectedResourceBody, ProviderBody, UserInfo, UserInfoForm } from "./model.ts";
import { createUserInfo, type IsMounted, providerMetadata, resourceMetadata } from "./service.ts";

// Contract 01 §7, 03 §2: for anybody's browser, kept for five minutes; no bucket, since every relying party asks.
const metadata = {
  public: true,
  http: { cors: "any", cache: "public, max-age=300", rate: false },
} as const;

/** RFC 6749 §5.1, for caches older than `Cache-Control`. */
const NO_CACHE = { pragma: "no-cache" };

/** Metadata for machines. `app` says what is mounted, once it all is. */
export const metadataRoutes = (deps: Deps, app: AnyElysia) => {
  let provider: typeof ProviderBody.static | undefined;
  const providerOnce = () => {
    if (provider === undefined) {
      const routes = new Set(app.routes.map(({ method, path }) => `${method} ${path}`));
      const isMounted: IsMounted = (method, path) => routes.has(`${method} ${path}`);
      provider = providerMetadata(deps.config, isMounted);
    }
    return provider;
  };
  const resource = resourceMetadata(deps.config);

  return routeGroup({ name: "oidc-metadata", prefix: "/.well-known", tag: "OIDC" })
    .get("/openid-configuration", providerOnce, {
      ...metadata,
      response: { 200: ProviderBody },
      detail: { operationId: "getOpenIdConfiguration", summary: "OpenID Provider metadata" },
    })
    .get("/oauth-authorization-server", providerOnce, {
      ...metadata,
      response: { 200: ProviderBody },
      detail: {
        operationId: "getAuthorizationServerMetadata",
        summary: "Authorization server metadata (RFC 8414)",
        description: "The same document as the OpenID Provider metadata.",
      },
    })
    .get("/oauth-protected-resource", () => resource, {
      ...metadata,
      response: { 200: ProtectedResourceBody },
      detail: {
        operationId: "getProtectedResourceMetadata",
        summary: "Metadata of this API as an OAuth resource (RFC 9728)",
      },
    });
};

const claims = {
  self: "user",
  response: { 200: UserInfo, 400: ErrorBody, 403: ErrorBody },
} as const;
const description =
  "With a token of an OAuth client: the claims that its scopes, and the `claims` parameter, asked for. It needs scope `openid`. With a session or a user's API key: `sub` and `tenant_id`.";

/** OpenID Connect Core 1.0 §5.3. */
export const userInfoRoutes = (deps: Deps) => {
  const userInfo = createUserInfo(deps);

  return routeGroup({ name: "userinfo", prefix: "/v1/oauth", tag: "OIDC" })
    .get(
      "/userinfo",
      ({ actor, set }) => {
        Object.assign(set.headers, NO_CACHE);
        return userInfo(actor);
      },
      {
        ...claims,
        http: { oauth: true, cors: "any" },
        detail: {
          operationId: "getUserInfo",
          summary: "Claims about the signed-in user",
          description,
        },
      },
    )
    .post(
      "/userinfo",
      ({ actor, body, request, set }) => {
        // RFC 6750 §2: not more than one way to send a token.
        if (body.access_token !== undefined && request.headers.has("authorization"))
          throw new AppError("bad_request", "the token was sent in the header and in the form", {
            headers: challenge(deps.config, "invalid_request"),
          });
        Object.assign(set.headers, NO_CACHE);
        return userInfo(actor);
      },
      {
        ...claims,
        http: {
          oauth: true,
          cors: "any",
          form: true,
          open: true,
          bodyOptional: true,
          tokenInForm: true,
        },
        body: UserInfoForm,
        detail: {
          operationId: "postUserInfo",
          summary: "Claims about the signed-in user, with the token in the header or the form",
          description,
        },
      },
    );
};
