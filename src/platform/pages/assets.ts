import { routeGroup } from "../http/access.ts";
import { Asset } from "../http/asset.ts";
import type { RouteGroup } from "../http/kernel.ts";
import icon from "./icon.svg" with { type: "file" };
import style from "./style.css" with { type: "file" };

const styleSheet = new Asset(() => Bun.file(style).bytes(), "text/css; charset=utf-8");
/** For the page of Form Post Response Mode §2, whose button does the same. */
const FORM_POST = 'document.getElementById("form-post").submit();\n';
const formPost = new Asset(
  async () => new TextEncoder().encode(FORM_POST),
  "text/javascript; charset=utf-8",
);
const iconFile = new Asset(() => Bun.file(icon).bytes(), "image/svg+xml");

/** Addresses of what every page loads. They change with the content, so a browser keeps them for a year. */
export const assetAddresses = async (): Promise<{ style: string; icon: string }> => ({
  style: `/assets/style.css?v=${await styleSheet.tag()}`,
  icon: `/assets/icon.svg?v=${await iconFile.tag()}`,
});

export const formPostAddress = async (): Promise<string> =>
  `/assets/form-post.js?v=${await formPost.tag()}`;

const OPTIONS = {
  public: true,
  http: { rate: false, csrf: "none", cors: "none" },
  detail: { hide: true },
} as const;

export const assetRoutes: RouteGroup = () =>
  routeGroup({ name: "assets", prefix: "/assets", tag: "Pages" })
    .get("/style.css", ({ request, set }) => styleSheet.respond(request, set), OPTIONS)
    .get("/form-post.js", ({ request, set }) => formPost.respond(request, set), OPTIONS)
    .get("/icon.svg", ({ request, set }) => iconFile.respond(request, set), OPTIONS);
