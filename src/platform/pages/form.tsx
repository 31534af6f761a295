import { timingSafeEqual } from "node:crypto";
import type { Context } from "elysia";
import type { Deps } from "../../deps.ts";
import { readCookie, setCsrfCookie } from "../http/cookies.ts";
import { isFromOurOrigin, isOwnCsrfToken, newCsrfToken } from "../http/csrf.ts";

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
  // The kernel asks this of requests without credentials alone, and a browser adds those of Basic by itself.
  if (!isFromOurOrigin(deps, request)) return false;
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

/** Hidden fields that a form carries along; those without a value are left out. */
export function Carried({ fields }: { fields: Readonly<Record<string, string | undefined>> }) {
  return Object.entries(fields).map(([name, value]) =>
    value ? <Hidden key={name} name={name} value={value} /> : null,
  );
}

interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly type?: "text" | "email" | "password";
  readonly autoComplete: string;
  /** What it holds already; passwords are never filled in by us. */
  readonly value?: string | undefined;
  readonly hint?: string | undefined;
  readonly error?: string | undefined;
  /** Id of what the page says about it elsewhere, as about name and password together. */
  readonly describedBy?: string | undefined;
  readonly required?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly focus?: boolean;
  /** A code, not words: big, in capitals, not corrected. */
  readonly code?: boolean;
}

/** A labelled field with its hint and its error, tied together for screen readers. Pasting works. */
export function Field(props: FieldProps) {
  const { name, label, type = "text", autoComplete, value, hint, error, describedBy } = props;
  const { required = true, minLength, maxLength, focus = false, code = false } = props;
  const described = [
    error === undefined ? undefined : `${name}-error`,
    hint === undefined ? undefined : `${name}-hint`,
    describedBy,
  ].filter((id) => id !== undefined);
  return (
    <div className="field">
      <label htmlFor={name}>{label}</label>
      <input
        id={name}
        name={name}
        type={type}
        className={code ? "code-field" : undefined}
        autoComplete={autoComplete}
        autoCapitalize={code ? "characters" : type === "email" ? "none" : undefined}
        spellCheck={code || type === "email" ? false : undefined}
        defaultValue={type === "password" ? undefined : value}
        required={required}
        minLength={minLength}
        maxLength={maxLength}
        // biome-ignore lint/a11y/noAutofocus: where the work goes on, the field at fault after a refusal; no script could move it
        autoFocus={focus}
        aria-describedby={described.length === 0 ? undefined : described.join(" ")}
        aria-invalid={error === undefined && describedBy === undefined ? undefined : true}
      />
      {error === undefined ? null : (
        <p id={`${name}-error`} className="field-error">
          {error}
        </p>
      )}
      {hint === undefined ? null : (
        <p id={`${name}-hint`} className="hint">
          {hint}
        </p>
      )}
    </div>
  );
}

/** A new password. Never filled in by us, always by a password manager. */
export function NewPasswordField(props: {
  name: string;
  label: string;
  hint: string;
  error: string | undefined;
  focus?: boolean;
}) {
  const { name, label, hint, error, focus = false } = props;
  return (
    <Field
      name={name}
      label={label}
      type="password"
      autoComplete="new-password"
      minLength={8}
      hint={hint}
      error={error}
      focus={focus}
    />
  );
}
