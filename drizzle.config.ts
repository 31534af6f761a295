import { defineConfig } from "drizzle-kit";
import { dialect } from "./db/dialect.ts";

// One schema, generated twice: `bun run db:generate` runs this with DATABASE_URL unset and set.
export default defineConfig({
  dialect: dialect === "postgres" ? "postgresql" : "sqlite",
  schema: "./db/schema/*.ts",
  out: `./db/migrations/${dialect}`,
  casing: "snake_case",
});
