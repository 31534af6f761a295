import type { ReactElement } from "react";
import type { Deps } from "../../../deps.ts";
import { Carried, CSRF_FIELD, Field } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import { addressOf } from "../visit.ts";
import { TEXTS } from "./texts.tsx";

/** What the sign-in page knows when a method puts its part on it. */
export interface SignInForm {
  readonly language: Language;
  readonly csrfToken: string;
  /** Goes along with every form and link: where it continues, and in which language. */
  readonly carried: Readonly<Record<string, string | undefined>>;
  readonly email: string | undefined;
  /** Said of the address. */
  readonly emailFault: string | undefined;
  /** Said of the password. */
  readonly passwordFault: string | undefined;
  /** Id of what the page says above, if it is about name and password. */
  readonly faultId: string | undefined;
}

/** One way of signing in. */
export interface SignInMethod {
  readonly name: string;
  /** Whether people of this tenant may use it; null where no client asks. */
  isAvailable(deps: Deps, tenantId: string | null): Promise<boolean>;
  /** Its part of the page; parts are set off by a line. */
  render(form: SignInForm): ReactElement;
}

const password: SignInMethod = {
  name: "password",
  isAvailable: async () => true,
  render: (form) => <PasswordForm {...form} />,
};

/** Ways of signing in, in the order of the page. Passkeys, social providers and SAML join here. */
export const SIGN_IN_METHODS: readonly SignInMethod[] = [password];

function PasswordForm(form: SignInForm) {
  const { language, csrfToken, carried, email, emailFault, passwordFault, faultId } = form;
  const texts = TEXTS[language];
  // Where the work goes on: at the address until one is there.
  const isAddressed = !!email && emailFault === undefined;
  return (
    <form method="post" action="/login">
      <Carried fields={{ [CSRF_FIELD]: csrfToken, ...carried }} />
      <Field
        name="email"
        label={texts.email}
        type="email"
        autoComplete="username"
        value={email}
        error={emailFault}
        describedBy={faultId}
        maxLength={320}
        focus={!isAddressed}
      />
      <Field
        name="password"
        label={texts.password}
        type="password"
        autoComplete="current-password"
        error={passwordFault}
        describedBy={faultId}
        maxLength={1_024}
        focus={isAddressed}
      />
      <p className="aside">
        <a href={addressOf("/forgot-password", carried)}>{texts.forgot}</a>
      </p>
      <button id="login-submit" className="button" type="submit">
        {texts.submit}
      </button>
    </form>
  );
}
