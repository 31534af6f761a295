/** Runs in the browser: hands oidc-client-ts to the test, and counts what the page's policy blocks. */
import { UserManager, type UserManagerSettings, WebStorageStateStore } from "oidc-client-ts";

export interface PageGlobals {
  createManager(settings: UserManagerSettings): UserManager;
  violations: string[];
}

const globals = globalThis as unknown as PageGlobals; // what the test reads, no more
globals.violations = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  globals.violations.push(`${violatedDirective} ${blockedURI}`);
});
globals.createManager = (settings) =>
  new UserManager({ ...settings, userStore: new WebStorageStateStore({ store: sessionStorage }) });
