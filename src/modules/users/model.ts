import { t } from "elysia";
import { ListQuery, Page } from "../../platform/http/page.ts";

const Uuid = t.String({ format: "uuid" });
const Instant = t.String({ format: "date-time" });
const nullable = <T extends ReturnType<typeof t.String>>(type: T) => t.Union([type, t.Null()]);

/** What an account carries for others; at most 64 KiB (contract 01 §11). */
export const Metadata = t.Record(t.String({ maxLength: 256 }), t.Any());

export const User = t.Object({
  id: Uuid,
  tenant_id: nullable(Uuid),
  email: t.String(),
  email_verified_at: nullable(Instant),
  phone: nullable(t.String()),
  phone_verified_at: nullable(Instant),
  display_name: nullable(t.String()),
  status: t.Union([
    t.Literal("active"),
    t.Literal("invited"),
    t.Literal("suspended"),
    t.Literal("deleted"),
  ]),
  metadata: Metadata,
  created_at: Instant,
  updated_at: Instant,
});

export const UserPage = Page(User);

export const UserQuery = t.Object({
  ...ListQuery.properties,
  tenant: t.Optional(
    t.String({ maxLength: 64, description: "Id or slug; must be the credential's tenant" }),
  ),
});

export const DeletedQuery = t.Object({
  limit: t.Optional(t.String({ description: "1 to 200 rows; 100 when absent or not a number" })),
});

export const DeletedUsers = t.Object({
  items: t.Array(t.Object({ ...User.properties, deleted_at: Instant })),
});

/** E.164, contract 02 §9.3. */
export const PHONE = "^\\+[1-9]\\d{7,14}$";

const account = {
  email: t.String({ minLength: 1, maxLength: 320 }),
  password: t.Optional(t.String({ maxLength: 1024, description: "8 to 256 characters" })),
  display_name: t.Optional(t.String({ maxLength: 200 })),
  phone: t.Optional(t.String({ pattern: `^$|${PHONE}`, description: "E.164" })),
};

export const CreateUser = t.Object({
  tenant_id: t.Optional(t.String({ format: "uuid", description: "The credential's, if given" })),
  ...account,
  metadata: t.Optional(Metadata),
});

export const UpdateUser = t.Object({
  display_name: t.Optional(nullable(t.String({ maxLength: 200 }))),
  phone: t.Optional(nullable(t.String({ pattern: PHONE, description: "E.164" }))),
  status: t.Optional(
    t.Union([t.Literal("active"), t.Literal("suspended")], {
      description:
        "Of a member who is at home in another tenant: here alone, and nothing else of them",
    }),
  ),
  metadata: t.Optional(Metadata),
});

export const SetPassword = t.Object({
  password: t.String({ minLength: 1, maxLength: 1024, description: "8 to 256 characters" }),
  current_password: t.Optional(t.String({ minLength: 1, maxLength: 1024 })),
});

export const CreateUsers = t.Object({
  tenant_id: t.Optional(Uuid),
  users: t.Array(t.Object(account), { maxItems: 1000 }),
});

export const BulkOutcome = t.Object({
  succeeded: t.Integer(),
  failed: t.Integer(),
  errors: t.Optional(
    t.Array(t.Object({ line: t.Integer(), email: t.String(), message: t.String() })),
  ),
});
