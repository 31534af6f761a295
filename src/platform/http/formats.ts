import { FormatRegistry } from "@sinclair/typebox";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DATE_TIME =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * In place of Elysia's own, which take a date in English prose, and `urn:uuid:`, for good. A page of fifty users is
 * looked at three hundred times by them, and Elysia's own take three expressions for a date where one will do.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
export function setFormats(): void {
  FormatRegistry.Set("uuid", (text) => UUID.test(text));
  FormatRegistry.Set("date-time", (text) => DATE_TIME.test(text));
}
