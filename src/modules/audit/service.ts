export {
  type AuditEntry,
  type Author,
  recordAudit,
  type SystemAuthor,
  type UserAuthor,
  userAuthor,
} from "./append.ts";
