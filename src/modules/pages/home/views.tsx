import type { ReactElement } from "react";
import { Carried, CSRF_FIELD } from "../../../platform/pages/form.tsx";
import type { Language } from "../../../platform/pages/language.ts";
import type { Page } from "../../../platform/pages/page.ts";
import { Account, type Person, Plus } from "../../../platform/pages/parts.tsx";
import { Card, Notice } from "../../../platform/pages/shell.tsx";
import { TEXTS } from "./texts.tsx";

interface SignedInView {
  readonly language: Language;
  readonly csrfToken: string;
  readonly service: string;
  readonly person: Person;
  readonly others: readonly (Person & { readonly id: string })[];
  readonly fault?: string | undefined;
}

/** Who is signed in here, and who else; the way out. */
export function signedInPage(view: SignedInView): Page {
  const { language, csrfToken, service, person, others, fault } = view;
  const texts = TEXTS[language].signedIn;
  return {
    title: texts.title,
    status: fault === undefined ? 200 : 422,
    body: (
      <Card heading={texts.title}>
        {fault === undefined ? null : <Notice kind="error">{fault}</Notice>}
        <p className="account still">
          <Account person={person} />
        </p>
        <p className="hint">{texts.at(<strong>{service}</strong>)}</p>
        <form method="post" action="/sign-out">
          <Carried fields={{ [CSRF_FIELD]: csrfToken }} />
          <button id="sign-out" className="button second" type="submit">
            {others.length === 0 ? texts.signOut : texts.signOutAll}
          </button>
        </form>
        <section className="more" aria-label={texts.others}>
          {others.length === 0 ? null : <h2>{texts.others}</h2>}
          <form method="post" action="/login/select">
            <Carried fields={{ [CSRF_FIELD]: csrfToken }} />
            <ul className="accounts">
              {others.map((other) => (
                <li key={other.id}>
                  <button className="account" name="session" value={other.id} type="submit">
                    <Account person={other} />
                  </button>
                </li>
              ))}
              <li>
                <a id="another-account" className="account" href="/login?another=1">
                  <Plus />
                  <span className="who">{texts.another}</span>
                </a>
              </li>
            </ul>
          </form>
        </section>
      </Card>
    ),
  };
}

/** A client may have signed out one of several accounts: whoever is left is named, or the page would not be true. */
export function remainingPage(
  language: Language,
  csrfToken: string,
  people: readonly (Person & { readonly id: string })[],
): Page {
  const { signedOut, signedIn } = TEXTS[language];
  const { title, text } = signedOut.remaining;
  return {
    title,
    body: (
      <Card heading={title}>
        <p className="lead">{text}</p>
        <ul className="accounts">
          {people.map((person) => (
            <li key={person.id}>
              <p className="account still">
                <Account person={person} />
              </p>
            </li>
          ))}
        </ul>
        <form method="post" action="/sign-out">
          <Carried fields={{ [CSRF_FIELD]: csrfToken }} />
          <button id="sign-out" className="button second" type="submit">
            {people.length > 1 ? signedIn.signOutAll : signedIn.signOut}
          </button>
        </form>
      </Card>
    ),
  };
}

export function signedOutPage(language: Language): Page {
  const { title, text, advice, again } = TEXTS[language].signedOut;
  return {
    title,
    body: (
      <Card heading={title}>
        <Notice kind="success">{text}</Notice>
        <p className="hint">{advice}</p>
        <a className="button second" href="/login">
          {again}
        </a>
      </Card>
    ),
  };
}

/** The front page; `publicUrl` in development, where it shows what to try first. */
export function homePage(language: Language, devUrl: string | undefined): Page {
  const texts = TEXTS[language];
  const tiles: [string, readonly [string, string]][] = [
    ["/docs", texts.docs],
    ["/openapi.json", texts.document],
    ["/.well-known/openid-configuration", texts.discovery],
  ];
  if (devUrl !== undefined) tiles.unshift(["/dev/mailbox", texts.mailbox]);
  return {
    title: texts.title,
    wide: true,
    body: (
      <>
        <div className="hero">
          <h1>{texts.title}</h1>
          <p>{texts.intro}</p>
          <a id="sign-in" className="button inline" href="/login">
            {texts.signIn}
          </a>
        </div>
        <ul className="tiles">
          {tiles.map(([href, [title, text]]) => (
            <li key={href}>
              <a href={href}>
                <h2>{title}</h2>
                <p>{text}</p>
              </a>
            </li>
          ))}
        </ul>
        {devUrl === undefined ? null : <FirstSteps language={language} devUrl={devUrl} />}
      </>
    ),
  };
}

function FirstSteps({ language, devUrl }: { language: Language; devUrl: string }): ReactElement {
  const { firstSteps, firstStepsIntro } = TEXTS[language];
  return (
    <section className="card" aria-labelledby="first-steps">
      <h2 id="first-steps">{firstSteps}</h2>
      <p>{firstStepsIntro}</p>
      <pre>
        <code>
          {`curl ${devUrl}/v1/auth/signup -H 'Content-Type: application/json' \\\n  -d '{"email":"you@example.com","password":"six blue herons"}'`}
        </code>
      </pre>
    </section>
  );
}
