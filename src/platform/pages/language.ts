/** Languages of the pages. Every text is data, in all of them: a missing one does not compile. */
export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The same texts in every language. */
export type Translated<T> = Readonly<Record<Language, T>>;

/**
 * The language that the browser likes best, of those that we speak; English when it likes none.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4
 */
export function languageOf(headers: Headers): Language {
  let best: Language = "en";
  let bestWeight = 0;
  for (const entry of (headers.get("accept-language") ?? "").slice(0, 1_000).split(",")) {
    const [range = "", ...parameters] = entry.trim().toLowerCase().split(";");
    const primary = range.split("-", 1)[0];
    const language = LANGUAGES.find((one) => one === primary);
    const quality = parameters.find((one) => one.trim().startsWith("q="))?.split("=")[1];
    const weight = quality === undefined ? 1 : Number(quality);
    if (language !== undefined && weight > bestWeight) [best, bestWeight] = [language, weight];
  }
  return best;
}

/**
 * The language of a page: the first that an OpenID Connect request asks for in `ui_locales` and that we speak (Core 1.0
 * §3.1.2.1), else the browser's.
 */
export function languageFor(headers: Headers, uiLocales: readonly string[] = []): Language {
  for (const locale of uiLocales) {
    const primary = locale.toLowerCase().split("-", 1)[0];
    const language = LANGUAGES.find((one) => one === primary);
    if (language !== undefined) return language;
  }
  return languageOf(headers);
}
