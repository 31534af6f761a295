import { OAuthError } from "./errors.ts";

/** RFC 3986 §4.3: a scheme and no fragment; printable, so that it can stand in a token and in a log. */
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x22\x24-\x7E]+$/;

/** RFC 8707 §2: an absolute URI without a fragment. */
export const isResource = (value: string): boolean =>
  ABSOLUTE_URI.test(value) && URL.canParse(value);

/** Of all together: they stand in every token, which must fit into a header, and in the row of its grant. */
export const MAX_RESOURCE_CHARACTERS = 4_096;

/**
 * Resource indicators of a request, each once. Throws `invalid_target` for one that is no absolute URI or has a fragment,
 * and for more of them than a token can hold.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8707#section-2
 */
export function readResources(values: readonly string[] = []): string[] {
  for (const value of values)
    if (!isResource(value))
      throw new OAuthError(
        "invalid_target",
        "resource must be an absolute URI without a fragment, such as https://api.example.com/",
      );
  const resources = [...new Set(values)];
  if (resources.join("").length > MAX_RESOURCE_CHARACTERS)
    throw new OAuthError(
      "invalid_target",
      `resources must not be longer than ${MAX_RESOURCE_CHARACTERS} characters together`,
    );
  return resources;
}
