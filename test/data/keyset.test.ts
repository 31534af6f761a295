import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeCursor, encodeCursor } from "../../db/keyset.ts";

const id = "01890a5d-ac96-774b-bcce-b302099a8057";
const at = new Date("2026-01-02T03:04:05.678Z");
const base64url = (text: string) => Buffer.from(text).toString("base64url");

test("01 §3: base64url-unpadded of <RFC3339 created_at>|<uuid>", () => {
  expect(encodeCursor({ at, id })).toBe(base64url(`2026-01-02T03:04:05.678Z|${id}`));
  expect(encodeCursor({ at, id })).not.toContain("=");
});

test("every cursor decodes to what it was made of", () => {
  const instants = fc.date({
    min: new Date(0),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(instants, fc.uuid(), (when, uuid) => {
      expect(decodeCursor(encodeCursor({ at: when, id: uuid }))).toEqual({ at: when, id: uuid });
    }),
  );
});

test.each([
  ["01 §20: cursor=%%%", "%%%"],
  ["nothing", ""],
  ["01 §20: valid base64 of junk", base64url("junk")],
  ["padding", `${base64url(`2026-01-02T03:04:05.678Z|${id}`)}==`],
  [
    "plain base64's alphabet",
    Buffer.from(`2026-01-02T03:04:05.678Z|${id}`).toString("base64").replace("M", "+"),
  ],
  ["a blank in it", ` ${base64url(`2026-01-02T03:04:05.678Z|${id}`)}`],
  ["no id", base64url("2026-01-02T03:04:05.678Z|")],
  ["an id in upper case", base64url(`2026-01-02T03:04:05.678Z|${id.toUpperCase()}`)],
  ["seconds only", base64url(`2026-01-02T03:04:05Z|${id}`)],
  ["an offset", base64url(`2026-01-02T03:04:05.678+01:00|${id}`)],
  ["the 30th of February", base64url(`2026-02-30T03:04:05.678Z|${id}`)],
  ["month 13", base64url(`2026-13-01T03:04:05.678Z|${id}`)],
  ["more behind it", base64url(`2026-01-02T03:04:05.678Z|${id}\n`)],
])("no cursor: %s", (_name, text) => {
  expect(decodeCursor(text)).toBeUndefined();
});
