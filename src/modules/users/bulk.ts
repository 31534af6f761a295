import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import type { Actor } from "../../platform/permissions.ts";
import { bodyTenant } from "../rbac/service.ts";
import { createUser, type NewAccount } from "./administration.ts";

export interface BulkOutcome {
  readonly succeeded: number;
  readonly failed: number;
  /** `line` counts from 1. */
  readonly errors: readonly { line: number; email: string; message: string }[];
}

/** Tenants that are importing, and the account whose turn it is, of all their imports. */
interface Imports {
  readonly tenants: Set<string>;
  last: Promise<unknown>;
}
const importsOf = new WeakMap<Deps, Imports>();

/**
 * Creates many users, each by itself: one that fails stops no other. Throws `forbidden` for another tenant, 429 while the
 * tenant has another import under way.
 */
export async function createUsers(
  deps: Deps,
  actor: Actor,
  tenantId: string | undefined,
  accounts: readonly Omit<NewAccount, "tenantId">[],
): Promise<BulkOutcome> {
  const tenant = bodyTenant(actor, tenantId);
  const imports = importsOf.get(deps) ?? { tenants: new Set(), last: Promise.resolve() };
  importsOf.set(deps, imports);
  if (imports.tenants.has(tenant))
    throw new AppError("too_many_requests", "another import of this tenant is under way", {
      headers: { "retry-after": "10" },
    });
  imports.tenants.add(tenant);
  try {
    return await importAll(deps, actor, imports, accounts);
  } finally {
    imports.tenants.delete(tenant);
  }
}

async function importAll(
  deps: Deps,
  actor: Actor,
  imports: Imports,
  accounts: readonly Omit<NewAccount, "tenantId">[],
): Promise<BulkOutcome> {
  const errors: { line: number; email: string; message: string }[] = [];
  for (const [n, account] of accounts.entries()) {
    try {
      // One account at a time, of all imports: a thousand passwords of one request must not fill the queue of sign-ins.
      const mine = imports.last.then(() => createUser(deps, actor, account, "bulk"));
      imports.last = mine.catch(() => {});
      await mine;
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      errors.push({ line: n + 1, email: account.email, message: error.detail ?? error.code });
    }
  }
  return { succeeded: accounts.length - errors.length, failed: errors.length, errors };
}
