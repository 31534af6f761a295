/** The door to accounts, passwords and memberships. */
export {
  addMembership,
  endMembership,
  insertUser,
  isMember,
  markEmailVerified,
  markEmailVerifiedBySession,
  type NewUser,
  setPassword,
} from "./accounts.ts";
export {
  createUser,
  getUser,
  listDeletedUsers,
  listUsers,
  type NewAccount,
  type UserChange,
  updateUser,
} from "./administration.ts";
export { type BulkOutcome, createUsers } from "./bulk.ts";
export { type ProvePassword, setOwnPassword, setPasswordOf } from "./passwords.ts";
export { present as presentUser } from "./present.ts";
export { deleteUser, purgeUser, restoreUser } from "./removal.ts";
export {
  clearHome,
  findMembership,
  findPasswordHash as passwordHashOf,
  findUser,
  type MembershipOfUser,
  type MembershipRow,
  membershipsOf,
  replaceHash,
  selectForSignIn,
  selectPasswordAge,
  type UserRow,
  updateUser as updateUserRow,
} from "./store.ts";
export { usersSubjectData } from "./subject-data.ts";
