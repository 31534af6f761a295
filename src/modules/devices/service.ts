/** The door to devices: RFC 8628 as the token endpoint and the hosted page see it. */
export { decideDevice, findDevice, type WaitingDevice } from "./decide.ts";
export { deviceCodeGrant } from "./grant.ts";
export { getDevice, listDevices, revokeDevice } from "./manage.ts";
export { startDevice } from "./start.ts";
export type { NamedDevice } from "./store.ts";
export { devicesSubjectData } from "./subject-data.ts";
