import { timingSafeEqual } from "node:crypto";
import type { Context } from "elysia";
import type { Deps } from "../../deps.ts";
import { readCookie, setCsrfCookie } from "../http/cookies.ts";
import { isOwnCsrfToken, newCsrfToken } from "../http/csrf.ts";

/** Name of the hidden field; its value is that of the cookie `qe_csrf` (contract 00 §35: double submit). */
export const CSRF_FIELD = "csrf_token";

type FormDeps = Pick<Deps, "config" | "derivedKeys" | "random">;

/** The token for a form on this answer: the browser's own, or a new one that is set with it. */
export function csrfTokenFor(
  deps: FormDeps,
  { request, set }: { request: Request; set: Context["set"] },
): string {
  const sent = readCookie(request.headers, "qe_csrf");
  if (sent !== undefined && isOwnCsrfToken(deps, sent)) return sent;
  const token = newCsrfToken(deps);
  setCsrfCookie(deps, set, token);
  return token;
}

/** Whether a form was sent from a page of ours in this very browser. */
export function isFormOurs(deps: FormDeps, request: Request, field: string | undefined): boolean {
  if (deps.config.csrfDisabled) return true;
  const cookie = readCookie(request.headers, "qe_csrf");
  if (cookie === undefined || field === undefined) return false;
  const [left, right] = [Buffer.from(cookie), Buffer.from(field)];
  return (
    left.length === right.length && timingSafeEqual(left, right) && isOwnCsrfToken(deps, field)
  );
}

export function Hidden({ name, value }: { name: string; value: string }) {
  return <input type="hidden" name={name} value={value} />;
}

/** A new password. Never filled in by us, always by a password manager; pasting works. */
export function NewPasswordField(props: {
  name: string;
  label: string;
  hint: string;
  error: string | undefined;
}) {
  const { name, label, hint, error } = props;
  return (
    <div className="field">
      <label htmlFor={name}>{label}</label>
      <input
        id={name}
        name={name}
        type="password"
        autoComplete="new-password"
        required
        minLength={8}
        aria-describedby={error === undefined ? `${name}-hint` : `${name}-error ${name}-hint`}
        aria-invalid={error === undefined ? undefined : true}
      />
      {error === undefined ? null : (
        <p id={`${name}-error`} className="field-error">
          {error}
        </p>
      )}
      <p id={`${name}-hint`} className="hint">
        {hint}
      </p>
    </div>
  );
}
