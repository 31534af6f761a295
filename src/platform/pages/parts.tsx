import type { ReactNode } from "react";

const PATHS = {
  attention: "M10 5v6M10 14.5v.1",
  check: "M6 10.5l3 3 5.5-6.5",
} as const;

/** A sign in a circle, in the colour of the text. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <circle cx="10" cy="10" r="9" />
      <path d={PATHS[name]} />
    </svg>
  );
}

const COLOURS = 6;

/** The same colour for the same name, whoever looks. */
const colourOf = (name: string): number => Number(Bun.hash(name) % BigInt(COLOURS));

/** The first letter or digit, of any script; a whole character even where it takes more than one unit. */
const initialOf = (name: string): string =>
  (/[\p{L}\p{N}]\p{M}*/u.exec(name)?.[0] ?? "?").toLocaleUpperCase("en");

const MOST_CHARACTERS = 64;

/** A name as far as it helps: those of clients and tenants may take 200 characters. */
export function shortened(name: string): string {
  const characters = Array.from(name); // whole ones, also beyond 16 bits
  if (characters.length <= MOST_CHARACTERS) return name;
  return `${characters
    .slice(0, MOST_CHARACTERS - 1)
    .join("")
    .trimEnd()}…`;
}

interface TileProps {
  readonly name: string;
  /** An https address; without one the initial stands in. */
  readonly picture?: string | null;
  readonly size?: "small" | "large";
  /** People are round. */
  readonly round?: boolean;
}

/** The picture of somebody or something whose name stands beside it. */
export function Tile({ name, picture, size = "large", round = false }: TileProps) {
  const shape = `tile ${size}${round ? " round" : ""}`;
  if (picture)
    return (
      <span className={`${shape} pictured`}>
        <img src={picture} alt="" referrerPolicy="no-referrer" />
      </span>
    );
  return (
    <span className={`${shape} colour-${colourOf(name)}`} aria-hidden="true">
      {initialOf(name)}
    </span>
  );
}

export interface Person {
  readonly email: string;
  readonly displayName: string | null;
}

/** Who an account belongs to: picture, name, address. */
export function Account({ person, children }: { person: Person; children?: ReactNode }) {
  const { email, displayName } = person;
  const name = displayName?.trim() || undefined;
  return (
    <>
      <Tile name={name ?? email} round size="small" />
      <span className="who">
        {name === undefined ? null : <span className="who-name">{shortened(name)}</span>}
        <span className={name === undefined ? "who-name" : "who-email"}>{email}</span>
        {children}
      </span>
    </>
  );
}

/** In the place of a picture, for somebody who is not there yet. */
export function Plus() {
  return (
    <span className="tile small round plain" aria-hidden="true">
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
        <path d="M10 4v12M4 10h12" />
      </svg>
    </span>
  );
}
