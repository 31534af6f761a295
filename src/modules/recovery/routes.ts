import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { invalidField } from "../../platform/errors.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { readCookie, setKnownBrowser } from "../../platform/http/cookies.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { TokenPair } from "../auth/model.ts";
import { ConsumeLink, ResetPassword, StartLink } from "./model.ts";
import * as service from "./service.ts";

function newPasswordOf(body: typeof ResetPassword.static): string {
  const { new_password: wanted, password: alias } = body;
  if (wanted !== undefined && alias !== undefined && wanted !== alias)
    throw invalidField("password", "invalid", "password and new_password differ");
  const password = wanted ?? alias;
  if (password === undefined || password === "")
    throw invalidField("new_password", "required", "new_password is required");
  return password;
}

export const recoveryRoutes = (deps: Deps) =>
  routeGroup({ name: "recovery", prefix: "/v1/auth", tag: "Auth" })
    .post(
      "/forgot-password",
      async ({ caller, body, set }) => {
        const { email, tenant_id: tenantId } = body;
        await service.startPasswordReset(deps, caller, { email, tenantId });
        set.status = 202; // `status(202, undefined)` would send the word "Accepted"
      },
      {
        public: true,
        body: StartLink,
        response: { 202: t.Void() },
        detail: {
          operationId: "startPasswordReset",
          summary: "Mail a link to set a new password",
          description: "The answer is the same whether or not the address has an account.",
        },
      },
    )
    .post(
      "/reset-password",
      async ({ caller, body, request, status }) => {
        await service.resetPassword(deps, caller, {
          token: body.token,
          newPassword: newPasswordOf(body),
          knownCookie: readCookie(request.headers, "qe_known"),
        });
        return status(204, undefined);
      },
      {
        public: true,
        body: ResetPassword,
        response: { 204: t.Void(), 403: ErrorBody, 503: ErrorBody },
        detail: { operationId: "resetPassword", summary: "Set a new password by a mailed token" },
      },
    )
    .post(
      "/magic-link/start",
      async ({ caller, body, set }) => {
        const { email, tenant_id: tenantId } = body;
        await service.startMagicLink(deps, caller, { email, tenantId });
        set.status = 202; // `status(202, undefined)` would send the word "Accepted"
      },
      {
        public: true,
        body: StartLink,
        response: { 202: t.Void() },
        detail: {
          operationId: "startMagicLink",
          summary: "Mail a link to sign in",
          description: "The answer is the same whether or not the address has an account.",
        },
      },
    )
    .post(
      "/magic-link/consume",
      async ({ caller, body, request, set }) => {
        const { pair, knownBrowser } = await service.consumeMagicLink(deps, caller, {
          token: body.token,
          flow: "token",
          knownCookie: readCookie(request.headers, "qe_known"),
        });
        setKnownBrowser(deps, set, knownBrowser);
        return pair;
      },
      {
        public: true,
        body: ConsumeLink,
        response: { 200: TokenPair, 403: ErrorBody },
        detail: { operationId: "consumeMagicLink", summary: "Sign in by a mailed token" },
      },
    );
