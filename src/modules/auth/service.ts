import type { Tx } from "../../../db/client.ts";
import { violationOf } from "../../../db/errors.ts";
import type { Deps } from "../../deps.ts";
import { assertAcceptablePassword } from "../../platform/crypto/weak-passwords.ts";
import { parseEmail } from "../../platform/email.ts";
import { AppError } from "../../platform/errors.ts";
import { noEarlierThan } from "../../platform/http/floor.ts";
import { queueMail } from "../../platform/mail/service.ts";
import type { Caller } from "../../platform/permissions.ts";
import { recordAudit, userAuthor } from "../audit/service.ts";
import {
  completeSignIn,
  decideFactors,
  guarded,
  issuePair,
  openSession,
  type SignedIn,
  type TokenPair,
} from "../sessions/service.ts";
import { createPersonalTenantIn } from "../tenants/service.ts";
import {
  addMembership,
  findUser,
  insertUser,
  replaceHash,
  selectForSignIn,
  setPassword,
  type UserRow,
} from "../users/service.ts";
import { sendEmailCode } from "../verification/service.ts";

/** Success and refusal of a sign-up take at least this long. */
const SIGN_UP_FLOOR_MS = 250;
const AMR_PASSWORD = ["pwd"];

export interface SignUp {
  readonly email: string;
  readonly password: string;
  readonly displayName?: string | undefined;
  /** The tenant that the account is for, in place of a workspace of its own (contract 00 §27). */
  readonly homeTenantId?: string | undefined;
}

/**
 * Creates an account, by default with a workspace of its own, and signs it in. Throws `forbidden` where sign-up is not
 * open, 422 for the password, and 422 `could not create account` for an address in use, whose owner is told.
 */
export async function signUp(
  deps: Deps,
  caller: Caller,
  input: SignUp,
): Promise<{ user: UserRow; pair: TokenPair; roles: string[] | undefined }> {
  const { user, opened } = await register(deps, caller, input, (tx, user) =>
    openFirst(deps, tx, caller, user),
  );
  const isOwner = user.tenantId !== null && input.homeTenantId === undefined;
  return { user, pair: await issuePair(deps, opened), roles: isOwner ? ["owner"] : undefined };
}

/** The same for a browser: it ends with a hosted session. Throws as `signUp`. */
export async function signUpHosted(
  deps: Deps,
  caller: Caller,
  input: SignUp & Pick<LogIn, "knownCookie">,
): Promise<Extract<SignedIn, { flow: "cookie" }>> {
  const { user } = await register(deps, caller, input, async () => undefined);
  const { knownCookie } = input;
  const signIn = {
    user,
    method: "password",
    amr: AMR_PASSWORD,
    flow: "cookie",
    knownCookie,
  } as const;
  const signedIn = await completeSignIn(deps, caller, signIn);
  return signedIn as Extract<SignedIn, { flow: "cookie" }>; // by `flow`, which it was asked for
}

/** The account, and what `open` does for it in the same transaction. */
function register<T>(
  deps: Deps,
  caller: Caller,
  input: SignUp,
  open: (tx: Tx, user: UserRow) => Promise<T>,
): Promise<{ user: UserRow; opened: T }> {
  const { signupMode } = deps.config;
  if (signupMode !== "open")
    throw new AppError(
      "forbidden",
      signupMode === "invite" ? "sign-up is by invitation only" : "sign-up is closed",
    );
  const address = parseEmail(input.email);
  assertAcceptablePassword(input.password, { email: address.email, field: "password" });
  return noEarlierThan(SIGN_UP_FLOOR_MS, async () => {
    // Before the look-up, so that both ends cost a hash.
    const passwordHash = await deps.passwords.hash(input.password);
    const work = async (tx: Tx) => {
      const user = await createAccount(deps, tx, caller, { ...input, ...address, passwordHash });
      return { user, opened: await open(tx, user) };
    };
    try {
      return await deps.db.transaction(work, { serializeOn: "platform" });
    } catch (error) {
      if (violationOf(error)?.constraint !== "users_email_key_key") throw error;
      await tellOwner(deps, address.emailKey);
      throw new AppError("unprocessable", "could not create account", { cause: error });
    }
  });
}

async function createAccount(
  deps: Deps,
  tx: Tx,
  caller: Caller,
  input: SignUp & { email: string; emailKey: string; passwordHash: string },
): Promise<UserRow> {
  const { email, emailKey, displayName, homeTenantId } = input;
  // Nobody of ours yet: the address is all we know of them.
  const inserted = await insertUser(deps, tx, caller, {
    email,
    emailKey,
    tenantId: homeTenantId ?? null,
    displayName: displayName ?? null,
    source: "signup",
  });
  const by = userAuthor(caller, inserted.id);
  await setPassword(deps, tx, { userId: inserted.id, passwordHash: input.passwordHash });
  await sendEmailCode(deps, tx, inserted);
  if (homeTenantId !== undefined)
    await addMembership(deps, tx, { tenantId: homeTenantId, user: inserted, source: "signup" });
  else if (deps.config.signupPersonalTenant) await createPersonalTenantIn(deps, tx, by, inserted);
  await recordAudit(deps, tx, by, {
    tenantId: null,
    action: "auth.signed_up",
    resource: { type: "user", id: inserted.id },
    metadata: { method: "password" },
  });
  return (await findUser(tx, inserted.id))!;
}

/** The session that a sign-up by the API begins. */
async function openFirst(deps: Deps, tx: Tx, caller: Caller, user: UserRow) {
  const { tenantId } = user;
  const factors = await decideFactors(deps, tx, {
    userId: user.id,
    tenantId,
    homeTenantId: tenantId,
    amr: AMR_PASSWORD,
    mfaAt: null,
  });
  return openSession(deps, tx, caller, {
    user,
    tenantId,
    method: "password",
    authTime: deps.clock.now(),
    amr: AMR_PASSWORD,
    factors,
  });
}

async function tellOwner(deps: Deps, emailKey: string): Promise<void> {
  // Counted apart: else a stranger's sign-ups would use up the owner's three mails with a way in.
  const { waitSeconds } = await deps.rate.take("mail", `signup:${emailKey}`);
  const [found] = await selectForSignIn(deps.db.read, { emailKey });
  if (waitSeconds > 0 || !found) return;
  const { id, email, tenantId } = found.user;
  await deps.db.transaction((tx) =>
    queueMail(deps, tx, {
      template: "signup_attempt",
      to: email,
      userId: id,
      tenantId,
      variables: {},
    }),
  );
}

export interface LogIn {
  readonly email: string;
  readonly password: string;
  /** Cookie `qe_known`, if the browser sent one. */
  readonly knownCookie?: string | undefined;
  /** Hash of the hosted session that the browser had. */
  readonly replacesHosted?: string | undefined;
  /** That one stays where it is another user's. */
  readonly keepsOtherAccounts?: boolean;
}

interface Proved {
  readonly user: UserRow;
  readonly passwordHash: string;
}

/** Between the proof and the session, the password became another one, or another hash of the same. */
class PasswordChanged extends Error {}

/**
 * Signs in by password: a pair, or a hosted session. Throws 422 for what is no address; `unauthorized`, the same for an
 * unknown address, an account without a password and a wrong one; 429 while locked; only then `forbidden` for the
 * account's or the tenant's state.
 */
export async function logIn<F extends SignedIn["flow"]>(
  deps: Deps,
  caller: Caller,
  input: LogIn & { readonly flow: F },
): Promise<Extract<SignedIn, { flow: F }>> {
  const { password, knownCookie } = input;
  const { email, emailKey } = parseEmail(input.email);
  const attempt = { email, emailKey, method: "password", knownCookie };
  const { user, passwordHash } = await guarded<Proved>(deps, caller, attempt, async () => {
    const [found] = await selectForSignIn(deps.db.read, { emailKey });
    // Without an account, or without a password, a dummy is hashed: the same work.
    if (await deps.passwords.verify(found?.passwordHash ?? null, password))
      return { ok: { user: found!.user, passwordHash: found!.passwordHash! } };
    return { failed: found ? "bad_credentials" : "unknown_user", user: found?.user };
  });
  const signIn = {
    user,
    method: "password",
    amr: AMR_PASSWORD,
    flow: input.flow,
    knownCookie,
    replacesHosted: input.replacesHosted,
    keepsOtherAccounts: input.keepsOtherAccounts ?? false,
  } as const;
  const signedIn = await completeSignIn(deps, caller, signIn, async (tx) => {
    const [current] = await selectForSignIn(tx, { emailKey });
    if (current?.passwordHash !== passwordHash) throw new PasswordChanged();
  }).catch((error) => {
    if (!(error instanceof PasswordChanged)) throw error;
    return undefined;
  });
  // A reset ends all that the old password opened; what is still being opened must not slip through.
  if (signedIn === undefined) return logIn(deps, caller, input);
  if (deps.passwords.needsRehash(passwordHash)) await rehash(deps, user.id, passwordHash, password);
  return signedIn as Extract<SignedIn, { flow: F }>; // by `flow`, which it was asked for
}

/** A better hash of the same password; when it fails, the next sign-in tries again. */
async function rehash(deps: Deps, userId: string, from: string, password: string): Promise<void> {
  try {
    const to = await deps.passwords.hash(password);
    const at = deps.clock.now();
    await deps.db.transaction((tx) => replaceHash(tx, { userId, from, to, at }));
  } catch {
    deps.log.warn("a password could not be hashed anew");
  }
}
