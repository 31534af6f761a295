import type { AnyElysia } from "elysia";
import { assertReviewedAccess } from "./access-check.ts";
import type { Deps } from "./deps.ts";
import { apiKeyRoutes } from "./modules/api-keys/routes.ts";
import { auditRoutes } from "./modules/audit/routes.ts";
import { authRoutes } from "./modules/auth/routes.ts";
import { authorizeRoutes, decisionRoutes, parRoutes } from "./modules/authorization/routes.ts";
import { backchannelLogoutJob } from "./modules/backchannel-logout/service.ts";
import { registrationRoutes } from "./modules/clients/registration-routes.ts";
import { clientRoutes } from "./modules/clients/routes.ts";
import { deviceAuthorizationRoutes, deviceRoutes } from "./modules/devices/routes.ts";
import { healthRoutes } from "./modules/health/routes.ts";
import { introspectionRoutes } from "./modules/introspection/routes.ts";
import { keyRoutes, signingKeyRoutes } from "./modules/keys/routes.ts";
import { logoutPageRoutes, logoutRoutes } from "./modules/logout/routes.ts";
import { mailboxRoutes } from "./modules/mailbox/routes.ts";
import { metadataRoutes, userInfoRoutes } from "./modules/oidc/routes.ts";
import { dispatcherJob } from "./modules/outbox/dispatcher.ts";
import { janitorJob } from "./modules/outbox/janitor.ts";
import { outboxRoutes } from "./modules/outbox/routes.ts";
import { pageRoutes } from "./modules/pages/routes.ts";
import { principalRoutes } from "./modules/principals/routes.ts";
import { rbacRoutes } from "./modules/rbac/routes.ts";
import { seedPermissions } from "./modules/rbac/service.ts";
import { recoveryRoutes } from "./modules/recovery/routes.ts";
import { authenticate } from "./modules/sessions/service.ts";
import { tenantRoutes } from "./modules/tenants/routes.ts";
import { tokenRoutes } from "./modules/token-endpoint/routes.ts";
import { grantRoutes } from "./modules/tokens/routes.ts";
import { userRoutes } from "./modules/users/routes.ts";
import { verificationRoutes } from "./modules/verification/routes.ts";
import { rekeyJob } from "./platform/crypto/rekey.ts";
import { docsRoutes } from "./platform/http/docs.ts";
import { createServer, type RouteGroup } from "./platform/http/kernel.ts";
import { documentRoutes } from "./platform/http/openapi.ts";
import type { Job } from "./platform/jobs/runner.ts";
import { mailJob } from "./platform/mail/sender.ts";
import { assetRoutes } from "./platform/pages/assets.ts";

/** The table of contents: every route group of the server, in the order of the API document. */
const routeGroups: readonly RouteGroup[] = [
  authRoutes,
  recoveryRoutes,
  userRoutes,
  verificationRoutes,
  tenantRoutes,
  rbacRoutes,
  apiKeyRoutes,
  clientRoutes,
  registrationRoutes,
  principalRoutes,
  auditRoutes,
  outboxRoutes,
  tokenRoutes,
  authorizeRoutes,
  decisionRoutes,
  parRoutes,
  grantRoutes,
  signingKeyRoutes,
  metadataRoutes,
  keyRoutes,
  userInfoRoutes,
  introspectionRoutes,
  logoutRoutes,
  deviceAuthorizationRoutes,
  deviceRoutes,
  healthRoutes,
  ...pageRoutes,
  logoutPageRoutes,
  assetRoutes,
  docsRoutes,
  documentRoutes,
];

/** What the server does by itself, whichever instance gets to it. */
export const jobs: readonly Job[] = [
  dispatcherJob,
  mailJob,
  backchannelLogoutJob,
  janitorJob,
  rekeyJob,
];

/**
 * The whole server, not yet listening. Writes the catalogue of permissions on the way. Throws for a route whose access
 * nobody reviewed.
 */
export async function createApp(deps: Deps): Promise<AnyElysia> {
  await seedPermissions(deps);
  // In production the route does not exist (contract 00 §31).
  const groups = deps.config.env === "dev" ? [...routeGroups, mailboxRoutes] : routeGroups;
  const app = createServer(deps, { authenticate }, groups);
  assertReviewedAccess(app);
  return app;
}
