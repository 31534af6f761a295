import type { AnyElysia } from "elysia";
import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { isDraining } from "../../platform/http/lifecycle.ts";
import { METRICS_TYPE } from "../../platform/metrics.ts";
import { Health, MetricsText, NotReady, Ready, SecurityText } from "./model.ts";
import {
  createMetricsGuard,
  createReadiness,
  goDuration,
  registerGauges,
  securityTxt,
} from "./service.ts";

export const healthRoutes = (deps: Deps, app: AnyElysia) => {
  const startedAt = performance.now();
  const { serviceName, environmentName, appBaseUrl } = deps.config;
  const readiness = createReadiness(deps);
  registerGauges(deps);
  const mayReadMetrics = createMetricsGuard(deps);
  return routeGroup({ name: "health", tag: "Health" })
    .get(
      "/healthz",
      () => ({
        status: "ok" as const,
        service: serviceName,
        env: environmentName,
        uptime: goDuration(performance.now() - startedAt),
      }),
      {
        public: true,
        http: { rate: false },
        response: { 200: Health },
        detail: { operationId: "getHealth", summary: "The process answers" },
      },
    )
    .get(
      "/readyz",
      async ({ status }) => {
        const { isReady, checks } = await readiness();
        if (isDraining(app.server))
          return status(503, {
            status: "not_ready" as const,
            checks: { ...checks, server: "fail: draining" },
          });
        return isReady
          ? status(200, { status: "ready" as const, checks })
          : status(503, { status: "not_ready" as const, checks });
      },
      {
        public: true,
        http: { rate: false },
        response: { 200: Ready, 503: NotReady },
        detail: { operationId: "getReadiness", summary: "The server can do its work" },
      },
    )
    .get(
      "/metrics",
      ({ caller, request, set }) => {
        mayReadMetrics(caller, request.headers.get("authorization"));
        set.headers["content-type"] = METRICS_TYPE;
        return deps.metrics.text();
      },
      {
        public: true,
        response: { 200: MetricsText, 401: ErrorBody },
        detail: { operationId: "getMetrics", summary: "Counters in Prometheus' text format" },
      },
    )
    .get(
      "/.well-known/security.txt",
      ({ set }) => {
        set.headers["content-type"] = "text/plain; charset=utf-8";
        return securityTxt(deps);
      },
      {
        public: true,
        http: { rate: false, cors: "any" },
        response: { 200: SecurityText },
        detail: { operationId: "getSecurityTxt", summary: "Where to report a vulnerability" },
      },
    )
    .get(
      "/.well-known/change-password",
      ({ redirect }) => redirect(`${appBaseUrl}/account/security`, 302),
      {
        public: true,
        http: { rate: false },
        response: { 302: t.Void({ description: "The page where a password is changed" }) },
        detail: { operationId: "findChangePasswordPage", summary: "Where a password is changed" },
      },
    );
};
