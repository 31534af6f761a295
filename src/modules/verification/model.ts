import { t } from "elysia";
import { PHONE } from "../users/model.ts";

export const StartEmail = t.Object({
  email: t.Optional(t.String({ maxLength: 320, description: "Must be the address on file" })),
});

export const StartPhone = t.Object({
  phone: t.Optional(
    t.String({ pattern: `^$|${PHONE}`, description: "E.164; the number on file, if left out" }),
  ),
});

export const ConfirmCode = t.Object({ code: t.String({ minLength: 1, maxLength: 64 }) });

export const StartEmailChange = t.Object({ email: t.String({ minLength: 1, maxLength: 320 }) });
