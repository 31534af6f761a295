import type { ReactNode } from "react";
import type { Design } from "./design.ts";
import type { Language } from "./language.ts";
import { Icon, shortened, Tile } from "./parts.tsx";

interface ShellProps {
  readonly language: Language;
  /** One string: React renders a title of several as nothing. */
  readonly title: string;
  readonly serviceName: string;
  readonly design: Design | undefined;
  readonly style: string;
  readonly icon: string;
  /** For pages with more than a form on them. */
  readonly wide?: boolean;
  /** The name is no link: who is about to sign in should not lose their way. */
  readonly inFlow?: boolean;
  readonly script?: string | undefined;
  readonly children: ReactNode;
}

/** What stands around every page. No inline script, no inline style: the pages' policy lets neither in. */
export function Shell(props: ShellProps) {
  const { language, title, serviceName, design, style, icon, script, children } = props;
  const { wide = false, inFlow = false } = props;
  const brand = design === undefined ? <OwnBrand name={serviceName} /> : <Brand design={design} />;
  return (
    <html lang={language} dir="ltr">
      <head>
        <meta charSet="utf-8" />
        <title>{`${title} · ${shortened(design?.name ?? serviceName)}`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href={icon} type="image/svg+xml" />
        <link rel="stylesheet" href={style} />
        {design?.stylesheetUrl ? <link rel="stylesheet" href={design.stylesheetUrl} /> : null}
        {script === undefined ? null : <script src={script} defer />}
      </head>
      <body className={wide ? "wide" : "narrow"}>
        <header className="top">
          {inFlow ? (
            <span className="brand">{brand}</span>
          ) : (
            <a className="brand" href="/">
              {brand}
            </a>
          )}
        </header>
        <main>{children}</main>
        {design === undefined ? null : (
          <footer className="foot">
            <OwnMark size={18} />
            <span>{serviceName}</span>
          </footer>
        )}
      </body>
    </html>
  );
}

function OwnMark({ size }: { size: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <rect className="brand-tile" width="32" height="32" rx="8" />
      <circle className="brand-line" cx="15" cy="15" r="7" />
      <path className="brand-line" d="M18 18l6 6" />
      <circle className="brand-dot" cx="15" cy="15" r="2" />
    </svg>
  );
}

function OwnBrand({ name }: { name: string }) {
  return (
    <>
      <OwnMark size={30} />
      <span>{name}</span>
    </>
  );
}

function Brand({ design: { name, logoUrl } }: { design: Design }) {
  return (
    <>
      <Tile name={name} picture={logoUrl} size="small" />
      <span>{shortened(name)}</span>
    </>
  );
}

/** A card with a heading: what most pages are. */
export function Card(props: { heading: string; above?: ReactNode; children: ReactNode }) {
  const { heading, above, children } = props;
  return (
    <section className="card">
      {above}
      <h1>{heading}</h1>
      {children}
    </section>
  );
}

/** Says at once, to screen readers too, how something went. */
export function Notice(props: {
  kind: "error" | "success" | "warning";
  id?: string;
  children: ReactNode;
}) {
  const { kind, id, children } = props;
  return (
    <div id={id} className={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      <Icon name={kind === "success" ? "check" : "attention"} />
      <p>{children}</p>
    </div>
  );
}
