import { t } from "elysia";
import { AppError } from "../../platform/errors.ts";
import { routeGroup } from "../../platform/http/access.ts";
import type { RouteGroup } from "../../platform/http/kernel.ts";
import { listMessages, readMessage } from "../../platform/mail/service.ts";
import { languageOf } from "../../platform/pages/language.ts";
import { renderPage } from "../../platform/pages/page.ts";
import { isLocalCall } from "./guard.ts";
import { listPage, messagePage } from "./views.tsx";

const SHOWN = 100;

/** Where development's mail goes. Throws when it is mounted in production. */
export const mailboxRoutes: RouteGroup = (deps) => {
  if (deps.config.env !== "dev") throw new Error("the mailbox is for development");
  const options = {
    public: true,
    // No other origin may read it, and looking is free: it is this machine's own.
    http: { rate: false, cors: "none" },
    detail: { hide: true },
  } as const;
  return routeGroup({ name: "mailbox", prefix: "/dev/mailbox", tag: "Pages", errors: "page" })
    .get(
      "",
      async ({ request, server, set }) => {
        if (!isLocalCall(deps, request, server)) throw new AppError("not_found");
        const messages = await listMessages(deps, SHOWN);
        return renderPage(deps, { request, set }, listPage(messages, languageOf(request.headers)));
      },
      options,
    )
    .get(
      "/:id",
      async ({ request, server, set, params: { id } }) => {
        if (!isLocalCall(deps, request, server)) throw new AppError("not_found");
        const message = await readMessage(deps, id);
        if (!message) throw new AppError("not_found");
        const page = messagePage(message, languageOf(request.headers));
        return renderPage(deps, { request, set }, page);
      },
      { ...options, params: t.Object({ id: t.String({ format: "uuid" }) }) },
    );
};
