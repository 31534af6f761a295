import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../platform/crypto/tokens.ts";
import { routeGroup } from "../../platform/http/access.ts";
import {
  clearLoginSession,
  readAccounts,
  readCookie,
  setAccounts,
  setKnownBrowser,
  setLoginSession,
} from "../../platform/http/cookies.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import type { Actor } from "../../platform/permissions.ts";
import * as sessions from "../sessions/service.ts";
import { passwordHashOf, presentUser, setOwnPassword } from "../users/service.ts";
import {
  ChangePassword,
  HasPassword,
  HostedSessionList,
  HostedSignIn,
  LogIn,
  Principal,
  Refresh,
  SessionList,
  SessionQuery,
  SignedUp,
  SignUp,
  SwitchTenant,
  TokenPair,
} from "./model.ts";
import * as service from "./service.ts";

const presentSession = (row: sessions.SessionRow, actor: Actor) => ({
  id: row.id,
  user_id: row.userId,
  tenant_id: row.tenantId,
  ip: row.ip,
  user_agent: row.userAgent,
  created_at: row.createdAt.toISOString(),
  last_seen_at: row.lastSeenAt.toISOString(),
  revoked_at: row.revokedAt?.toISOString() ?? null,
  current: row.id === actor.sessionId,
});

/** The hash of the hosted session's cookie, which is how a session is looked up and ended. */
function hostedHashOf(headers: Headers): string | undefined {
  const token = readCookie(headers, "qe_ls");
  return token === undefined || token === "" ? undefined : hashToken(token);
}

export const authRoutes = (deps: Deps) =>
  routeGroup({ name: "auth", prefix: "/v1", tag: "Auth" })
    .post(
      "/auth/signup",
      async ({ caller, body, status }) => {
        const { email, password, display_name: displayName } = body;
        const { user, pair, roles } = await service.signUp(deps, caller, {
          email,
          password,
          displayName,
        });
        return status(201, { user: presentUser(user), ...pair, ...(roles && { roles }) });
      },
      {
        public: true,
        body: SignUp,
        response: { 201: SignedUp, 403: ErrorBody, 503: ErrorBody },
        detail: { operationId: "signUp", summary: "Create an account and sign in" },
      },
    )
    .post(
      "/auth/login",
      async ({ caller, body, request, set }) => {
        const { pair, knownBrowser } = await service.logIn(deps, caller, {
          ...body,
          flow: "token",
          knownCookie: readCookie(request.headers, "qe_known"),
        });
        setKnownBrowser(deps, set, knownBrowser);
        return pair;
      },
      {
        public: true,
        body: LogIn,
        response: { 200: TokenPair, 401: ErrorBody, 403: ErrorBody, 503: ErrorBody },
        detail: { operationId: "logIn", summary: "Sign in by password" },
      },
    )
    .post(
      "/auth/refresh",
      ({ caller, body }) => sessions.refreshSession(deps, caller, body.refresh_token),
      {
        public: true,
        body: Refresh,
        response: { 200: TokenPair, 401: ErrorBody },
        detail: {
          operationId: "refresh",
          summary: "Trade a refresh token for a new pair",
          description: "A token works once: used again, it ends the session.",
        },
      },
    )
    .post(
      "/auth/logout",
      async ({ actor, status }) => {
        await sessions.logOut(deps, actor);
        return status(204, undefined);
      },
      {
        self: "any",
        http: { whileSuspended: true, oauth: true },
        response: { 204: t.Void(), 403: ErrorBody },
        detail: { operationId: "logOut", summary: "End the session of this token" },
      },
    )
    .get(
      "/auth/me",
      ({ actor }) => ({
        user_id: actor.userId,
        tenant_id: actor.tenantId,
        session_id: actor.sessionId,
        actor: actor.kind === "oauth" ? ("user" as const) : actor.kind,
        scopes: [...actor.scopes],
      }),
      {
        self: "any",
        http: { whileSuspended: true, oauth: true },
        response: { 200: Principal },
        detail: { operationId: "getPrincipal", summary: "Who this credential is" },
      },
    )
    .get(
      "/auth/sessions",
      async ({ actor, query }) => {
        const active = query.active === "true" || query.active === "1";
        const rows = await sessions.listSessions(deps, actor.userId!, { active });
        return { items: rows.map((row) => presentSession(row, actor)) };
      },
      {
        self: "user",
        query: SessionQuery,
        response: { 200: SessionList },
        detail: { operationId: "listSessions", summary: "List your sessions, newest first" },
      },
    )
    .delete(
      "/auth/sessions",
      async ({ actor, status }) => {
        await sessions.endOtherSessions(deps, actor);
        return status(204, undefined);
      },
      {
        self: "session",
        response: { 204: t.Void() },
        detail: { operationId: "endOtherSessions", summary: "End all your other sessions" },
      },
    )
    .delete(
      "/auth/sessions/:id",
      async ({ actor, params: { id }, status }) => {
        await sessions.endSession(deps, actor, id);
        return status(204, undefined);
      },
      {
        // One's own, or with `user.write` one of a user at home here: the service says which.
        self: "any",
        http: { oauth: true },
        response: { 204: t.Void(), 403: ErrorBody, 404: ErrorBody },
        detail: { operationId: "endSession", summary: "End a session" },
      },
    )
    .delete(
      "/sessions/:id",
      async ({ actor, params: { id }, status }) => {
        await sessions.endSession(deps, actor, id);
        return status(204, undefined);
      },
      {
        self: "any",
        http: { oauth: true },
        response: { 204: t.Void(), 403: ErrorBody, 404: ErrorBody },
        detail: { operationId: "endSessionById", summary: "End a session" },
      },
    )
    .get(
      "/users/:id/sessions",
      async ({ actor, params: { id } }) => {
        const rows = await sessions.listSessionsOf(deps, actor, id);
        return { items: rows.map((row) => presentSession(row, actor)) };
      },
      {
        own: { permission: "user.write", param: "id" },
        response: { 200: SessionList, 404: ErrorBody },
        detail: { operationId: "listUserSessions", summary: "List a user's sessions" },
      },
    )
    .post(
      "/auth/switch-tenant",
      ({ actor, body }) => sessions.switchTenant(deps, actor, body.tenant_id.toLowerCase()),
      {
        self: "session",
        http: { whileSuspended: true },
        body: SwitchTenant,
        response: { 200: TokenPair, 403: ErrorBody },
        detail: { operationId: "switchTenant", summary: "Open a session in another tenant" },
      },
    )
    .post(
      "/auth/session",
      async ({ caller, body, request, set }) => {
        const { userId, loginSessionToken, knownBrowser } = await service.logIn(deps, caller, {
          ...body,
          flow: "cookie",
          knownCookie: readCookie(request.headers, "qe_known"),
          replacesHosted: hostedHashOf(request.headers),
        });
        setLoginSession(deps, set, loginSessionToken);
        setKnownBrowser(deps, set, knownBrowser);
        return { user_id: userId };
      },
      {
        public: true,
        http: { csrf: "double-submit" },
        body: LogIn,
        response: { 200: HostedSignIn, 401: ErrorBody, 403: ErrorBody, 503: ErrorBody },
        detail: { operationId: "startHostedSession", summary: "Sign this browser in" },
      },
    )
    .delete(
      "/auth/session",
      async ({ caller, request, set, status }) => {
        const { headers } = request;
        // Whoever signs out here signs the browser out, of the accounts beside the current one too.
        const others = readAccounts(headers);
        for (const token of new Set([readCookie(headers, "qe_ls"), ...others]))
          if (token) await sessions.endHostedSessionOf(deps, caller, token);
        clearLoginSession(deps, set);
        if (others.length > 0) setAccounts(deps, set, []);
        return status(204, undefined);
      },
      {
        public: true,
        http: { csrf: "double-submit" },
        response: { 204: t.Void(), 403: ErrorBody },
        detail: { operationId: "endHostedSession", summary: "Sign this browser out" },
      },
    )
    .get(
      "/auth/sso-sessions",
      async ({ actor, request }) => {
        const current = hostedHashOf(request.headers);
        const rows = await sessions.listHostedSessions(deps, actor.userId!);
        return {
          items: rows.map((row) => ({
            id: row.id,
            ip: row.ip,
            user_agent: row.userAgent,
            created_at: row.createdAt.toISOString(),
            last_seen_at: row.lastSeenAt.toISOString(),
            expires_at: row.expiresAt.toISOString(),
            current: row.tokenHash === current,
          })),
        };
      },
      {
        self: "user",
        response: { 200: HostedSessionList },
        detail: {
          operationId: "listHostedSessions",
          summary: "List the browsers that are signed in",
        },
      },
    )
    .delete(
      "/auth/sso-sessions/:id",
      async ({ actor, params: { id }, status }) => {
        await sessions.endHostedSession(deps, actor, id);
        return status(204, undefined);
      },
      {
        self: "user",
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "endHostedSessionById", summary: "Sign a browser out" },
      },
    )
    .get(
      "/auth/password",
      async ({ actor }) => ({
        has_password: (await passwordHashOf(deps.db.read, actor.userId!)) !== null,
      }),
      {
        self: "user",
        response: { 200: HasPassword },
        detail: { operationId: "hasPassword", summary: "Whether your account has a password" },
      },
    )
    .post(
      "/auth/password",
      async ({ actor, body, status }) => {
        await setOwnPassword(
          deps,
          actor,
          {
            password: body.new_password,
            currentPassword: body.current_password,
            field: "new_password",
          },
          sessions.provePassword,
        );
        return status(204, undefined);
      },
      {
        self: "session",
        http: { rate: "sensitive" },
        body: ChangePassword,
        response: { 204: t.Void(), 401: ErrorBody, 403: ErrorBody, 503: ErrorBody },
        detail: { operationId: "changePassword", summary: "Change your password" },
      },
    );
