import { renderToStaticMarkup } from "react-dom/server";

/** What a message is made of: read as plain text, and as HTML. */
export type Block =
  | { readonly kind: "text"; readonly words: string }
  | { readonly kind: "code"; readonly digits: string }
  | { readonly kind: "link"; readonly label: string; readonly url: string };

/** Plain text; a link stands on a line of its own, so that every mail program finds its end. */
export const textOf = (blocks: readonly Block[]): string =>
  blocks
    .map((block) =>
      block.kind === "text"
        ? block.words
        : block.kind === "code"
          ? `    ${block.digits}`
          : `${block.label}:\n${block.url}`,
    )
    .join("\n\n");

const PAGE = { margin: "0", padding: "24px 12px", background: "#f4f5f7" };
const CARD = {
  maxWidth: "480px",
  margin: "0 auto",
  padding: "28px",
  background: "#ffffff",
  borderRadius: "12px",
  font: "16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  color: "#1c2230",
};
const CODE = {
  font: "600 30px/1.4 ui-monospace, Menlo, Consolas, monospace",
  letterSpacing: "6px",
  margin: "20px 0",
};
const BUTTON = {
  display: "inline-block",
  padding: "12px 20px",
  borderRadius: "8px",
  background: "#2f4bd8",
  color: "#ffffff",
  textDecoration: "none",
  fontWeight: 600,
};
const SMALL = { fontSize: "13px", color: "#5b6472", wordBreak: "break-all" } as const;

/** The same in HTML. Styles stand in the elements: mail programs drop style sheets. No remote image, no tracking. */
export function htmlOf(title: string, blocks: readonly Block[], serviceName: string): string {
  const page = (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{title}</title>
      </head>
      <body style={PAGE}>
        <div style={CARD}>
          {blocks.map((block, n) => (
            <Part key={n} block={block} />
          ))}
          <p style={SMALL}>{serviceName}</p>
        </div>
      </body>
    </html>
  );
  return `<!doctype html>${renderToStaticMarkup(page)}`;
}

function Part({ block }: { block: Block }) {
  if (block.kind === "text") return <p>{block.words}</p>;
  if (block.kind === "code") return <p style={CODE}>{block.digits}</p>;
  return (
    <>
      <p>
        <a href={block.url} style={BUTTON}>
          {block.label}
        </a>
      </p>
      <p style={SMALL}>
        <a href={block.url}>{block.url}</a>
      </p>
    </>
  );
}
