import { t } from "elysia";
import type { Deps } from "../../deps.ts";
import { routeGroup } from "../../platform/http/access.ts";
import { ErrorBody } from "../../platform/http/errors.ts";
import { User } from "../users/model.ts";
import { presentUser } from "../users/service.ts";
import { ConfirmCode, StartEmail, StartEmailChange, StartPhone } from "./model.ts";
import * as service from "./service.ts";

const own = { permission: "user.write", param: "id" } as const;
/** The published document says 201 (contract 00 §15). */
const documented = { 201: t.Object({}) };
const start = { own, http: { bodyOptional: true, rate: "sensitive", documented } } as const;
const confirm = { own, http: { documented }, body: ConfirmCode } as const;

export const verificationRoutes = (deps: Deps) =>
  routeGroup({ name: "verification", prefix: "/v1", tag: "Verification" })
    .post(
      "/users/:id/verify/email/start",
      async ({ actor, params: { id }, body, set }) => {
        await service.startEmailVerification(deps, actor, id, body.email);
        set.status = 202; // `status(202, undefined)` would send the word "Accepted"
      },
      {
        ...start,
        body: StartEmail,
        response: { 202: t.Void(), 404: ErrorBody },
        detail: { operationId: "startEmailVerification", summary: "Mail a verification code" },
      },
    )
    .post(
      "/users/:id/verify/email/confirm",
      async ({ actor, params: { id }, body, status }) => {
        await service.confirmEmail(deps, actor, id, body.code);
        return status(204, undefined);
      },
      {
        ...confirm,
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "confirmEmail", summary: "Confirm an e-mail address by code" },
      },
    )
    .post(
      "/users/:id/verify/phone/start",
      async ({ actor, params: { id }, body, set }) => {
        await service.startPhoneVerification(deps, actor, id, body.phone);
        set.status = 202; // `status(202, undefined)` would send the word "Accepted"
      },
      {
        ...start,
        body: StartPhone,
        response: { 202: t.Void(), 404: ErrorBody },
        detail: { operationId: "startPhoneVerification", summary: "Text a verification code" },
      },
    )
    .post(
      "/users/:id/verify/phone/confirm",
      async ({ actor, params: { id }, body, status }) => {
        await service.confirmPhone(deps, actor, id, body.code);
        return status(204, undefined);
      },
      {
        ...confirm,
        response: { 204: t.Void(), 404: ErrorBody },
        detail: { operationId: "confirmPhone", summary: "Confirm a phone number by code" },
      },
    )
    .post(
      "/me/email/change/start",
      async ({ actor, body, set }) => {
        await service.startEmailChange(deps, actor, body.email);
        set.status = 202; // `status(202, undefined)` would send the word "Accepted"
      },
      {
        self: "session",
        http: { rate: "sensitive" },
        body: StartEmailChange,
        response: { 202: t.Void() },
        detail: { operationId: "startEmailChange", summary: "Mail a code to your new address" },
      },
    )
    .post(
      "/me/email/change/confirm",
      async ({ actor, body }) =>
        presentUser(await service.confirmEmailChange(deps, actor, body.code)),
      {
        self: "session",
        body: ConfirmCode,
        response: { 200: User, 409: ErrorBody },
        detail: { operationId: "confirmEmailChange", summary: "Make the new address yours" },
      },
    );
