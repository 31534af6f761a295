/** A client asks for access: who it is, for whom, and to what. Of the consent page, and of the page for devices. */
import type { ReactNode } from "react";
import type { OAuthClient } from "../../../platform/oauth-client.ts";
import type { Language } from "../../../platform/pages/language.ts";
import { Account, Icon, type Person, shortened, Tile } from "../../../platform/pages/parts.tsx";
import { Notice } from "../../../platform/pages/shell.tsx";
import { inOrder, textOfClaims, textOfScope } from "./scopes.ts";
import { TEXTS } from "./texts.tsx";

/**
 * The client's own picture, where an administrator has put it there. A client that registered itself could show
 * anybody's.
 */
export const pictureOf = ({ registration, logoUri }: OAuthClient): string | null =>
  registration === "admin" && logoUri?.startsWith("https://") ? logoUri : null;

/** Both sides of what is asked for. */
export function Parties({ client, person }: { client: OAuthClient; person: Person }) {
  return (
    <div className="parties">
      <Tile name={client.name} picture={pictureOf(client)} />
      <span className="between" />
      <Tile name={person.displayName?.trim() || person.email} round />
    </div>
  );
}

/** Who answers for the client. */
export function Origin({ client, language }: { client: OAuthClient; language: Language }) {
  const { registered, unverified } = TEXTS[language];
  if (client.registration === "dynamic") return <Notice kind="warning">{unverified}</Notice>;
  return (
    <p className="origin">
      <Icon name="check" />
      <span>{registered(<strong>{shortened(client.tenantName)}</strong>)}</span>
    </p>
  );
}

interface AsPerson {
  readonly person: Person;
  readonly another: string;
  readonly language: Language;
}

/** As whom one is about to answer. */
export function Answering({ person, another, language }: AsPerson) {
  const texts = TEXTS[language];
  return (
    <section aria-label={texts.account} className="answering">
      <p className="account still">
        <Account person={person} />
      </p>
      <p className="aside">
        <a id="another-account" href={another}>
          {texts.another}
        </a>
      </p>
    </section>
  );
}

interface Asked {
  readonly scopes: readonly string[];
  readonly claimNames?: readonly string[];
  readonly language: Language;
}

/** What the client will be able to do. */
export function Wishes({ scopes, claimNames = [], language }: Asked) {
  const texts = TEXTS[language];
  const details = textOfClaims(claimNames, language);
  return (
    <section className="wishes">
      <h2>{texts.allows}</h2>
      <ul>
        {inOrder(scopes).map((scope) => {
          const text = textOfScope(scope, language);
          return <Wish key={scope}>{"words" in text ? text.words : <code>{text.raw}</code>}</Wish>;
        })}
        {details.length === 0 ? null : <Wish>{texts.details(details.join(", "))}</Wish>}
        {scopes.length + details.length === 0 ? <Wish>{texts.nothing}</Wish> : null}
      </ul>
    </section>
  );
}

function Wish({ children }: { children: ReactNode }) {
  return (
    <li className="wish">
      <svg className="icon" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        <path d="M4 10.5l4 4 8-9" />
      </svg>
      <span>{children}</span>
    </li>
  );
}

/** The two answers. The first one is no: nothing that is pressed by accident gives access. */
export function Answers({ language, prefix }: { language: Language; prefix: string }) {
  const { allow, deny } = TEXTS[language];
  return (
    <div className="answers">
      <button
        id={`${prefix}-deny`}
        className="button second"
        name="decision"
        value="deny"
        type="submit"
      >
        {deny}
      </button>
      <button id={`${prefix}-allow`} className="button" name="decision" value="allow" type="submit">
        {allow}
      </button>
    </div>
  );
}

/** What the client says about itself elsewhere: not where nobody knows who it is. */
export function Policies({ client, language }: { client: OAuthClient; language: Language }) {
  const { privacy, terms } = TEXTS[language];
  const links = [
    [client.policyUri, privacy],
    [client.tosUri, terms],
  ].filter((link): link is [string, string] => link[0]?.startsWith("https://") ?? false);
  if (links.length === 0) return null;
  return (
    <p className="inline-links">
      {links.map(([href, words]) => (
        <a key={words} href={href} rel="noreferrer">
          {words}
        </a>
      ))}
    </p>
  );
}
