import type { RouteGroup } from "../../platform/http/kernel.ts";
import { consentRoutes } from "./consent/routes.ts";
import { deviceRoutes } from "./device/routes.ts";
import { forgotRoutes } from "./forgot/routes.ts";
import { homeRoutes } from "./home/routes.ts";
import { linkRoutes } from "./links/routes.ts";
import { signInRoutes } from "./sign-in/routes.ts";
import { signUpRoutes } from "./sign-up/routes.ts";

/** Everything that people see of the server. */
export const pageRoutes: readonly RouteGroup[] = [
  homeRoutes,
  signInRoutes,
  signUpRoutes,
  consentRoutes,
  deviceRoutes,
  forgotRoutes,
  linkRoutes,
];
