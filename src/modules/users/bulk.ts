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

/** Creates many users, each by itself: one that fails stops no other. Throws `forbidden` for another tenant. */
export async function createUsers(
  deps: Deps,
  actor: Actor,
  tenantId: string | undefined,
  accounts: readonly Omit<NewAccount, "tenantId">[],
): Promise<BulkOutcome> {
  bodyTenant(actor, tenantId);
  const errors: { line: number; email: string; message: string }[] = [];
  for (const [n, account] of accounts.entries()) {
    try {
      await createUser(deps, actor, account, "bulk");
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      errors.push({ line: n + 1, email: account.email, message: error.detail ?? error.code });
    }
  }
  return { succeeded: accounts.length - errors.length, failed: errors.length, errors };
}
