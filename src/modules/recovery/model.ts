import { t } from "elysia";

const Email = t.String({ minLength: 1, maxLength: 320 });

export const StartLink = t.Object({
  email: Email,
  tenant_id: t.Optional(t.String({ format: "uuid" })),
});

const Password = t.String({ maxLength: 1024, description: "8 to 256 characters" });

export const ResetPassword = t.Object({
  token: t.String({ minLength: 1, maxLength: 1024 }),
  new_password: t.Optional(Password),
  password: t.Optional(
    t.String({ maxLength: 1024, description: "Another name of `new_password`" }),
  ),
});

export const ConsumeLink = t.Object({ token: t.String({ minLength: 1, maxLength: 1024 }) });
