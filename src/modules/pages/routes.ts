import type { RouteGroup } from "../../platform/http/kernel.ts";
import { forgotRoutes } from "./forgot/routes.ts";
import { homeRoutes } from "./home/routes.ts";
import { linkRoutes } from "./links/routes.ts";
import { signInRoutes } from "./sign-in/routes.ts";

/** Everything that people see of the server. */
export const pageRoutes: readonly RouteGroup[] = [
  homeRoutes,
  signInRoutes,
  forgotRoutes,
  linkRoutes,
];
