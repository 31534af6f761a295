/** The decision about second factors: no session is opened without one. */
import type { Reader } from "../../../db/client.ts";
import type { Deps } from "../../deps.ts";
import { AppError } from "../../platform/errors.ts";

const decided = Symbol("decided");

/** What `openSession` asks for. Only `decideFactors` makes one, so no way of signing in can forget to ask. */
export interface FactorsSatisfied {
  readonly mfaAt: Date | null;
  readonly [decided]: true;
}

export interface SignInSubject {
  readonly userId: string;
  /** The tenant that the session will be scoped to: policy is judged there, and for the home tenant. */
  readonly tenantId: string | null;
  readonly homeTenantId: string | null;
  /** RFC 8176 values of what was proved already. */
  readonly amr: readonly string[];
  /** When a second factor was last proved in this sign-in, or in the session that it continues. */
  readonly mfaAt: Date | null;
}

/** One domain's say: answers what is still missing, undefined when nothing is. */
export type FactorRule = (
  deps: Deps,
  q: Reader,
  subject: SignInSubject,
) => Promise<{ readonly methods: readonly string[] } | undefined>;

/** Second factors join here. A rule that misses something refuses the session. */
const FACTOR_RULES: readonly FactorRule[] = [];

/** Throws `mfa_required` while a rule misses a factor. */
export async function decideFactors(
  deps: Deps,
  q: Reader,
  subject: SignInSubject,
): Promise<FactorsSatisfied> {
  for (const rule of FACTOR_RULES)
    if (await rule(deps, q, subject)) throw new AppError("mfa_required", "second factor required");
  return { mfaAt: subject.mfaAt, [decided]: true };
}
