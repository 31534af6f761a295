/** `qe_known`: proof that somebody signed in to an account with this browser before (contract 00 §54). */
import type { Deps } from "../../deps.ts";
import { isSameText } from "../../platform/crypto/tokens.ts";

/** Of a mark: four bytes say when it was made, in seconds; the rest is random. */
const MARK_BYTES = 16;
/** Accounts that one browser is remembered for; the cookie stays under 400 bytes. */
const MAX_ACCOUNTS = 5;
const ENTRY = /^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{22}$/;

const macOf = (deps: Pick<Deps, "derivedKeys">, mark: string, emailKey: string): string =>
  Buffer.from(deps.derivedKeys.hmac("known", `${mark}\n${emailKey}`))
    .toString("base64url")
    .slice(0, 22);

const entriesOf = (cookie: string | undefined): string[] =>
  (cookie ?? "")
    .split("~")
    .filter((entry) => ENTRY.test(entry))
    .slice(0, MAX_ACCOUNTS);

/** When a mark was made, to the second. */
export const markedAt = (mark: string): Date =>
  new Date(Buffer.from(mark, "base64url").readUInt32BE(0) * 1000);

/** The mark that this browser got when `emailKey` signed in with it last; undefined where it never did. */
export function knownMark(
  deps: Pick<Deps, "derivedKeys">,
  cookie: string | undefined,
  emailKey: string,
): string | undefined {
  for (const entry of entriesOf(cookie)) {
    const [mark = "", mac = ""] = entry.split(".");
    if (isSameText(mac, macOf(deps, mark, emailKey))) return mark;
  }
  return undefined;
}

/** The cookie's new value once `emailKey` has signed in: a new mark for it first, then what was there for others. */
export function rememberBrowser(
  deps: Pick<Deps, "clock" | "derivedKeys" | "random">,
  cookie: string | undefined,
  emailKey: string,
): string {
  const bytes = Buffer.from(deps.random.bytes(MARK_BYTES));
  bytes.writeUInt32BE(Math.floor(deps.clock.now().getTime() / 1000));
  const mark = bytes.toString("base64url");
  const others = entriesOf(cookie).filter(
    (entry) => knownMark(deps, entry, emailKey) === undefined,
  );
  return [`${mark}.${macOf(deps, mark, emailKey)}`, ...others].slice(0, MAX_ACCOUNTS).join("~");
}
