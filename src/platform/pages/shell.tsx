import type { ReactNode } from "react";
import type { Language } from "./language.ts";

interface ShellProps {
  readonly language: Language;
  /** One string: React renders a title of several as nothing. */
  readonly title: string;
  readonly serviceName: string;
  readonly style: string;
  readonly icon: string;
  /** For pages with more than a form on them. */
  readonly wide?: boolean;
  readonly children: ReactNode;
}

/** What stands around every page. No script, no inline style: the pages' policy lets neither in. */
export function Shell({
  language,
  title,
  serviceName,
  style,
  icon,
  wide = false,
  children,
}: ShellProps) {
  return (
    <html lang={language}>
      <head>
        <meta charSet="utf-8" />
        <title>{`${title} · ${serviceName}`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href={icon} type="image/svg+xml" />
        <link rel="stylesheet" href={style} />
      </head>
      <body className={wide ? "wide" : undefined}>
        <header className="top">
          <a className="brand" href="/">
            <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
              <rect className="brand-tile" width="32" height="32" rx="8" />
              <circle className="brand-line" cx="15" cy="15" r="7" />
              <path className="brand-line" d="M18 18l6 6" />
              <circle className="brand-dot" cx="15" cy="15" r="2" />
            </svg>
            <span>{serviceName}</span>
          </a>
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}

/** A card with a heading: what most pages are. */
export function Card({ heading, children }: { heading: string; children: ReactNode }) {
  return (
    <section className="card">
      <h1>{heading}</h1>
      {children}
    </section>
  );
}

/** Says at once, to screen readers too, how something went. */
export function Notice({ kind, children }: { kind: "error" | "success"; children: ReactNode }) {
  return (
    <div className={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
        <circle cx="10" cy="10" r="9" />
        <path d={kind === "error" ? "M10 5v6M10 14.5v.1" : "M6 10.5l3 3 5.5-6.5"} />
      </svg>
      <p>{children}</p>
    </div>
  );
}
