/** Errors whose own message is a sentence for the operator. */
const OWN_WORDS = new Set([
  "AppError",
  "BackupError",
  "DatabaseTooNew",
  "MigrationChanged",
  "MigrationError",
  "RedisUnavailable",
  "RootKeyError",
]);

const DATABASE_FAULTS: Readonly<Record<string, string>> = {
  DatabaseUnavailable:
    "The database can't be reached: check DATABASE_URL, the network, and that it runs.",
  DatabaseOverloaded: "The database is busy with others. Try again.",
  DatabaseFull: "The database can't be written: its disk is full, or it is read-only.",
  TransactionTimeout: "The database took too long. Try again when it has less to do.",
};

/**
 * What an expected failure is, in words; undefined for one that is a bug. By name: importing the classes would load
 * the database's modules before their dialect is known.
 */
export const describeFault = ({ name, message }: Error): string | undefined =>
  OWN_WORDS.has(name) ? message : DATABASE_FAULTS[name];
