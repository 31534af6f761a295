/** The two tables that say who may call what, and the list of what is owed. */
import beyond from "./beyond.json" with { type: "json" };
import edgeRows from "./edge-rows.json" with { type: "json" };
import owed from "./owed.json" with { type: "json" };
import permissions from "./permissions.json" with { type: "json" };

export interface AccessRow {
  /** Of the published document; a row beyond it has the clause that asks for it instead. */
  readonly tag?: string;
  readonly clause?: string;
  /** `JK`: token or API key; `client`, `cookie`, `SCIM token`, `none`: the kernel lets everybody pass. */
  readonly auth: string;
  readonly scope: "path" | "body" | "res" | "query" | "tok" | "member" | "token" | null;
  /** In words, as contract 09 has it. */
  readonly requires: string;
  readonly keys?: readonly string[];
  /** What a machine needs where any member passes. */
  readonly machineKeys?: readonly string[];
  /** A token of an OAuth client passes whatever its scopes but `openid`. */
  readonly oauth?: boolean;
  /** The own user passes without a key. */
  readonly own?: boolean;
  /** Only who runs the deployment, by session: nobody of the matrix does. */
  readonly operator?: boolean;
  readonly machine: "perm" | "yes" | "user" | "no" | null;
  /** What the route says in the code. `self` where a key is named: the service judges it. */
  readonly declared: string;
}

/** Contract 09, all 184 operations. */
export const contractRows = permissions as Readonly<Record<string, AccessRow>>;
export const beyondRows = beyond as Readonly<Record<string, AccessRow>>;
export const allRows: Readonly<Record<string, AccessRow>> = { ...contractRows, ...beyondRows };

export interface OwedRow {
  readonly row: string;
  readonly part: string;
  /** The half that is owed, where the other one is tested. */
  readonly what?: string;
}
export const owedRows: readonly OwedRow[] = owed;

/** "Edge cases to test" of the contract: chapter and words. */
export const edgeCases: readonly string[] = Object.entries(edgeRows).flatMap(([section, rows]) =>
  rows.map((row) => `${section}: ${row}`),
);

/** Tags whose every operation this server has. A domain that is built adds its own. */
export const BUILT_TAGS = [
  "RBAC",
  "API Keys",
  "Users",
  "Verification",
  "Tenants",
  "Audit",
  "Admin",
  "Auth",
  "Health",
] as const;
