import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";
import { type Actor, foldKey, PERMISSIONS, permissionIdOf } from "../../platform/permissions.ts";
import { assertHolds, assertOwnTenant } from "./authority.ts";
import * as store from "./store.ts";

export interface Question {
  readonly userId: string;
  readonly tenantId: string;
  /** As asked: `:` and `.` are one separator (contract 07 §1.4). */
  readonly permission: string;
}

export type DenialReason =
  | "missing_permission"
  | "unknown_permission"
  | "not_a_member"
  | "user_inactive"
  | "tenant_inactive";

const REASONS: Record<DenialReason, string> = {
  missing_permission: "no role of the user grants the permission",
  unknown_permission: "no such permission exists",
  not_a_member: "the user is not a member of the tenant",
  user_inactive: "the user is not active",
  tenant_inactive: "the tenant is not active",
};

export interface Explanation {
  readonly allowed: boolean;
  readonly paths: readonly { readonly roleId: string; readonly roleName: string }[];
  readonly reasonCode?: DenialReason;
  readonly reason?: string;
}

/**
 * Who may ask (contract 07 §2): a user about themselves, by session in any tenant, by an OAuth token in the token's: what
 * else the user belongs to is not the client's to know. Any key or service about its own tenant; others with `role.read`,
 * about theirs. Throws `unauthorized` or `forbidden`.
 */
export function assertMayAsk(
  actor: Actor,
  { userId, tenantId }: Omit<Question, "permission">,
): void {
  if (actor.kind === "user" && actor.userId === userId) return;
  assertOwnTenant(actor, tenantId);
  if (actor.kind === "oauth" && actor.userId !== userId)
    throw new AppError("forbidden", "only about your own user");
  if (actor.kind === "user") assertHolds(actor, "role.read");
}

const catalogueId = (permission: string): string | undefined => {
  const key = foldKey(permission);
  const known = PERMISSIONS.find((one) => one === key);
  return known && permissionIdOf(known);
};

/** Whether an active member's roles grant exactly this key: implied keys do not count here. One statement at most. */
export async function isAllowed(deps: Deps, actor: Actor, question: Question): Promise<boolean> {
  assertMayAsk(actor, question);
  const permissionId = catalogueId(question.permission);
  if (permissionId === undefined) return false;
  const { userId, tenantId } = question;
  return (await store.selectOneGrant(deps.db.read, { userId, tenantId, permissionId })).length > 0;
}

/** The same question, answered with every grant, or with the reason of the denial. */
export async function explain(deps: Deps, actor: Actor, question: Question): Promise<Explanation> {
  assertMayAsk(actor, question);
  const permissionId = catalogueId(question.permission);
  if (permissionId === undefined) return denied("unknown_permission");
  const { userId, tenantId } = question;
  const paths = await store.selectAllGrants(deps.db.read, { userId, tenantId, permissionId });
  if (paths.length > 0) return { allowed: true, paths };
  const standing = await store.findStanding(deps.db.read, tenantId, userId);
  // Membership first: of a stranger to the tenant nothing else is told.
  if (!standing.isMember) return denied("not_a_member");
  if (standing.user !== "active") return denied("user_inactive");
  if (standing.tenant !== "active") return denied("tenant_inactive");
  return denied("missing_permission");
}

const denied = (reasonCode: DenialReason): Explanation => ({
  allowed: false,
  paths: [],
  reasonCode,
  reason: REASONS[reasonCode],
});
