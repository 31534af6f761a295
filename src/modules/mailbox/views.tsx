import type { ReactNode } from "react";
import type { Message } from "../../platform/mail/service.ts";
import type { Language } from "../../platform/pages/language.ts";
import type { Page } from "../../platform/pages/page.ts";
import { Card } from "../../platform/pages/shell.tsx";
import { TEXTS } from "./texts.ts";

export function listPage(messages: readonly Message[], language: Language): Page {
  const texts = TEXTS[language];
  return {
    title: texts.title,
    wide: true,
    body: (
      <Card heading={texts.title}>
        <p className="hint">{texts.intro}</p>
        {messages.length === 0 ? (
          <p className="empty">{texts.empty}</p>
        ) : (
          <ul className="messages">
            {messages.map((message) => (
              <li key={message.id}>
                <a href={`/dev/mailbox/${message.id}`}>
                  <span className="subject">{subjectOf(message, language)}</span>
                  <When at={message.createdAt} />
                  <span className="recipient">{message.recipient}</span>
                  <span className="status">{texts.status[message.status]}</span>
                </a>
              </li>
            ))}
          </ul>
        )}
      </Card>
    ),
  };
}

export function messagePage(message: Message, language: Language): Page {
  const texts = TEXTS[language];
  const subject = subjectOf(message, language);
  return {
    title: subject,
    wide: true,
    body: (
      <>
        <a className="back" href="/dev/mailbox">
          ← {texts.back}
        </a>
        <Card heading={subject}>
          <dl className="facts">
            <dt>{texts.to}</dt>
            <dd>{message.recipient}</dd>
            <dt>{texts.sent}</dt>
            <dd>
              <When at={message.createdAt} />
            </dd>
            <dt>{texts.template}</dt>
            <dd>
              {message.template} ({texts.status[message.status]}
              {message.lastError === null ? "" : `: ${message.lastError}`})
            </dd>
          </dl>
          <div className="message">
            {message.content === null ? texts.gone : linked(message.content.text)}
          </div>
        </Card>
      </>
    ),
  };
}

const subjectOf = ({ content, template }: Message, language: Language): string => {
  if (content === null) return template;
  return content.subject === "" ? TEXTS[language].sms : content.subject;
};

function When({ at }: { at: Date }) {
  const iso = at.toISOString();
  return (
    <time className="when" dateTime={iso}>
      {`${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`}
    </time>
  );
}

/** The text as it is; addresses are links, and a code on a line of its own stands out. */
function linked(text: string): ReactNode[] {
  let at = 0;
  const parts: ReactNode[] = [];
  for (const { 0: found, index } of text.matchAll(/https?:\/\/\S+|^ {4}\d+$/gm)) {
    parts.push(text.slice(at, index), <Found key={index} text={found.trim()} />);
    at = index + found.length;
  }
  return [...parts, text.slice(at)];
}

const Found = ({ text }: { text: string }) =>
  /^\d/.test(text) ? <strong className="code">{text}</strong> : <a href={text}>{text}</a>;
