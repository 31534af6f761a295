import { t } from "elysia";

export const Health = t.Object({
  status: t.Literal("ok"),
  service: t.String(),
  env: t.String(),
  uptime: t.String({ description: "As Go writes a duration: `1h2m3.4s`" }),
});

const Checks = t.Record(t.String(), t.String());

export const Ready = t.Object({ status: t.Literal("ready"), checks: Checks });
export const NotReady = t.Object({ status: t.Literal("not_ready"), checks: Checks });

export const MetricsText = t.String({ contentMediaType: "text/plain" });
export const SecurityText = t.String({ contentMediaType: "text/plain" });
