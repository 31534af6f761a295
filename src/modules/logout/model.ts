import { t } from "elysia";

/** Contract 03 §2: any parameter is at most 8 KiB. */
const text = (maxLength: number, description: string) =>
  t.Optional(t.String({ maxLength, description }));

/** RP-Initiated Logout 1.0 §2. */
const parameters = {
  id_token_hint: text(8_192, "An ID token of the session that ends; it may have expired"),
  post_logout_redirect_uri: text(
    8_192,
    "Where the browser goes afterwards, as registered; needs `id_token_hint` or `client_id`",
  ),
  state: text(8_192, "At most 2048 characters; comes back with the redirect"),
  client_id: text(8_192, "Must be the audience of `id_token_hint`"),
  ui_locales: text(8_192, "Languages of the pages, the preferred first"),
  logout_hint: text(8_192, "Ignored: the session says who is signed in"),
};

export const LogoutForm = t.Object(parameters);
export type LogoutParameters = typeof LogoutForm.static;

/** How much text a parked request is at most, with a state and an address at their limits, escaped for JSON. */
const parked = t.Optional(
  t.String({ maxLength: 24_576, description: "Where the answer to POST leads" }),
);

export const LogoutQuery = t.Object({ ...parameters, logout_request: parked });

export const ConfirmQuery = t.Object({ logout_request: parked });
