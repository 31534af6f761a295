import { t } from "elysia";

const Uuid = t.String({ format: "uuid" });

export const Permission = t.Object({
  id: Uuid,
  key: t.String({ description: "`user.read`; `:` and `.` are one separator where it is compared" }),
  description: t.String(),
});
export const PermissionList = t.Object({ items: t.Array(Permission) });

export const Role = t.Object({
  id: Uuid,
  tenant_id: Uuid,
  name: t.String(),
  description: t.String(),
  is_system: t.Boolean({ description: "True for `owner`, which holds every permission" }),
  created_at: t.String({ format: "date-time" }),
});
export const RoleList = t.Object({ items: t.Array(Role) });

// The service counts characters after trimming; the bound here is against nonsense.
const name = t.String({ maxLength: 500, description: "1 to 64 characters after trimming" });
const description = t.String({ maxLength: 500 });

export const CreateRole = t.Object({
  name,
  description: t.Optional(description),
  permissions: t.Optional(
    t.Array(t.String({ maxLength: 300 }), {
      maxItems: 100,
      description: "Keys of the catalogue, granted at once",
    }),
  ),
});

export const UpdateRole = t.Object({
  name: t.Optional(name),
  description: t.Optional(description),
});

export const EffectivePermissions = t.Object({
  permissions: t.Array(t.String(), { description: "Exact keys, ascending" }),
  items: t.Array(t.String(), { description: "The same as `permissions`" }),
});

// Required, all three: but contract 07 §2 wants 400 for a missing one, where a required member would give 422.
export const CheckQuery = t.Object({
  user_id: t.Optional(t.String({ maxLength: 100, description: "Required: a UUID" })),
  tenant_id: t.Optional(t.String({ maxLength: 100, description: "Required: a UUID" })),
  permission: t.Optional(t.String({ maxLength: 300, description: "Required: a permission key" })),
  explain: t.Optional(t.String({ maxLength: 10, description: "`true` or `1`: say why" })),
});

export const CheckAnswer = t.Object({
  allowed: t.Boolean(),
  paths: t.Optional(
    t.Array(
      t.Object({
        permission: t.String(),
        granted_by: t.String({ description: "`role:` and its name" }),
        via: t.String({ description: "`direct`, or `group:` and its name" }),
        group_id: t.Optional(Uuid),
        role_id: Uuid,
      }),
      { description: "With `explain`: every grant" },
    ),
  ),
  reason: t.Optional(t.String({ description: "With `explain`, when it is denied" })),
  reason_code: t.Optional(
    t.String({
      description:
        "`missing_permission`, `unknown_permission`, `not_a_member`, `user_inactive` or `tenant_inactive`",
    }),
  ),
});
