import { t } from "elysia";
import { type Cursor, decodeCursor, encodeCursor } from "../../../db/keyset.ts";
import { AppError } from "../errors.ts";

export const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 200;

/** Query of a list. `limit` is text: contract 01 §3 forgives whatever it holds. */
export const ListQuery = t.Object({
  limit: t.Optional(t.String({ description: "1 to 200 rows; 50 when absent or not a number" })),
  cursor: t.Optional(t.String({ maxLength: 512, description: "`next_cursor` of the page before" })),
});

/**
 * Contract 01 §3, 00 §34: a limit that is missing, not a number or below 1 means the default, above 200 means 200.
 * Throws `bad_request` for a cursor that this server did not make.
 */
export function readPage(
  query: { readonly limit?: string; readonly cursor?: string },
  defaultLimit = DEFAULT_LIMIT,
): { limit: number; after: Cursor | undefined } {
  const text = query.limit ?? "";
  const wanted = /^\d+$/.test(text) ? Number(text) : 0;
  const limit = wanted < 1 ? defaultLimit : Math.min(wanted, MAX_LIMIT);
  if (query.cursor === undefined || query.cursor === "") return { limit, after: undefined };
  const after = decodeCursor(query.cursor);
  if (after === undefined) throw new AppError("bad_request", "invalid cursor");
  return { limit, after };
}

/** Response schema of a page of `item`. */
export const Page = <T extends ReturnType<typeof t.Object>>(item: T) =>
  t.Object({
    items: t.Array(item),
    next_cursor: t.String({ description: 'Empty (`""`) on the last page' }),
  });

/** A page of `rows`, which were fetched with `limit + 1`: the one too many says that there is a next page. */
export function pageOf<Row extends { readonly createdAt: Date; readonly id: string }>(
  rows: readonly Row[],
  limit: number,
): { items: Row[]; next_cursor: string };
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => Cursor,
): { items: Row[]; next_cursor: string };
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => Cursor = (row) => {
    const { createdAt, id } = row as { createdAt: Date; id: string }; // as the first overload demands
    return { at: createdAt, id };
  },
): { items: Row[]; next_cursor: string } {
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, next_cursor: last === undefined ? "" : encodeCursor(keyOf(last)) };
}
