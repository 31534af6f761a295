/** What the pages do is what the operations of the API do: the same calls, entered from a form. */
export { consumeMagicLink, resetPassword } from "../recovery/service.ts";
export { confirmEmailByLink } from "../verification/service.ts";
