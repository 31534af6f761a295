/**
 * Holds answers against the document that the server itself serves: the status is documented for the operation, and
 * the body fits its schema. Knows the keywords that our document uses, and throws on any other, so that nothing
 * passes because it was not understood.
 */
interface Schema {
  readonly [keyword: string]: unknown;
}

interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Operation {
  readonly responses: Readonly<Record<string, Response>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface SeenAnswer {
  readonly method: string;
  /** With or without query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | null;
  /** As parsed; undefined when there was none. */
  readonly body: unknown;
}

interface Row {
  readonly name: string;
  readonly method: string;
  readonly pattern: RegExp;
  readonly operation: Operation;
}

/** Remembers which documented statuses it has seen. */
export class AnswerValidator {
  readonly #rows: Row[];
  readonly #seen = new Map<string, Set<number>>();

  constructor(private readonly document: OpenApiDocument) {
    this.#rows = Object.entries(document.paths)
      // `/v1/users/deleted` before `/v1/users/{id}`, as the router has it.
      .sort(([a], [b]) => a.split("{").length - b.split("{").length)
      .flatMap(([path, item]) =>
        Object.entries(item).map(([method, operation]) => ({
          name: `${method.toUpperCase()} ${path}`,
          method: method.toUpperCase(),
          pattern: new RegExp(
            `^${path.replace(/[.+*?^$()|[\]\\]/g, "\\$&").replace(/\{\w+\}/g, "[^/]+")}$`,
          ),
          operation,
        })),
      );
  }

  /** Throws, naming the operation, the status and the place in the body. Passes over what the document leaves out. */
  check(answer: SeenAnswer): void {
    const path = answer.path.split("?", 1)[0]!;
    const method = answer.method === "HEAD" ? "GET" : answer.method;
    const row = this.#rows.find((one) => one.method === method && one.pattern.test(path));
    if (row === undefined) return;
    const where = `${row.name} ${answer.status}`;
    const declared = row.operation.responses[answer.status];
    if (declared === undefined) throw new Error(`${where}: not in the document`);
    const seen = this.#seen.get(row.name) ?? new Set();
    this.#seen.set(row.name, seen.add(answer.status));
    const { content } = this.#resolve(declared) as Response;
    if (answer.method === "HEAD") return;
    if (content === undefined) {
      if (answer.body !== undefined) throw new Error(`${where}: a body where none is documented`);
      return;
    }
    const type = (answer.contentType ?? "").split(";", 1)[0]!.trim();
    const media = content[type];
    if (media === undefined) throw new Error(`${where}: content type ${type} is not documented`);
    const fault = this.#faultOf(media.schema, answer.body, "body");
    if (fault !== undefined) throw new Error(`${where}: ${fault}`);
  }

  /** `METHOD /path status` of all that was answered. */
  seen(): string[] {
    return [...this.#seen].flatMap(([name, statuses]) =>
      [...statuses].map((status) => `${name} ${status}`),
    );
  }

  #resolve(value: { readonly $ref?: string }): unknown {
    if (value.$ref === undefined) return value;
    const parts = value.$ref.replace(/^#\//, "").split("/");
    // biome-ignore lint/suspicious/noExplicitAny: a walk through plain JSON
    const target = parts.reduce((at: any, part) => at?.[part], this.document);
    if (target === undefined) throw new Error(`${value.$ref} leads nowhere`);
    return target;
  }

  /** What is wrong, and where; undefined when nothing is. */
  #faultOf(given: Schema, value: unknown, at: string): string | undefined {
    const schema = this.#resolve(given) as Schema;
    for (const [keyword, rule] of Object.entries(schema)) {
      if (ANNOTATIONS.has(keyword)) continue;
      const fault =
        keyword === "anyOf"
          ? this.#anyOf(rule as Schema[], value, at)
          : keyword === "properties" || keyword === "additionalProperties"
            ? this.#members(schema, keyword, value, at)
            : keyword === "items"
              ? this.#items(rule as Schema, value, at)
              : simpleFault(keyword, rule, value);
      if (fault !== undefined)
        return fault.startsWith(at)
          ? fault
          : `${at} ${fault}: ${JSON.stringify(value)?.slice(0, 100)}`;
    }
    return undefined;
  }

  #anyOf(members: readonly Schema[], value: unknown, at: string): string | undefined {
    return members.some((member) => this.#faultOf(member, value, at) === undefined)
      ? undefined
      : "fits no member of anyOf";
  }

  #members(schema: Schema, keyword: string, value: unknown, at: string): string | undefined {
    if (!isObject(value)) return undefined;
    const known = (schema.properties ?? {}) as Record<string, Schema>;
    for (const [name, member] of Object.entries(value)) {
      const rule =
        keyword === "properties"
          ? known[name]
          : name in known
            ? undefined
            : schema.additionalProperties;
      if (rule === false) return `has the undocumented member ${name}`;
      if (rule === undefined || rule === true) continue;
      const fault = this.#faultOf(rule as Schema, member, `${at}.${name}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #items(rule: Schema, value: unknown, at: string): string | undefined {
    if (!Array.isArray(value)) return undefined;
    for (const [index, member] of value.entries()) {
      const fault = this.#faultOf(rule, member, `${at}[${index}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
}

const ANNOTATIONS = new Set(["description", "title", "default", "examples", "contentMediaType"]);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const typeOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value;

const FORMATS: Record<string, RegExp> = {
  uuid: /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/,
  // Contract 07: "ends in Z".
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/,
  email: /^[^\s@]+@[^\s@]+$/,
  uri: /^[a-z][a-z0-9+.-]*:/i,
};

function simpleFault(keyword: string, rule: unknown, value: unknown): string | undefined {
  const check = RULES[keyword];
  if (check === undefined)
    throw new Error(`the document uses ${keyword}: teach test/support/validate.ts`);
  return check(rule, value) ? undefined : `breaks ${keyword} ${JSON.stringify(rule)}`;
}

/** Each passes over values of a type that the keyword says nothing about. */
const RULES: Record<string, (rule: unknown, value: unknown) => boolean> = {
  type: (rule, value) =>
    [rule]
      .flat()
      .some((name) => (name === "integer" ? Number.isSafeInteger(value) : name === typeOf(value))),
  const: (rule, value) => rule === value,
  enum: (rule, value) => (rule as unknown[]).includes(value),
  required: (rule, value) => !isObject(value) || (rule as string[]).every((name) => name in value),
  pattern: (rule, value) =>
    typeof value !== "string" || new RegExp(rule as string, "u").test(value),
  format: (rule, value) => {
    const format = FORMATS[rule as string];
    if (format === undefined) throw new Error(`the document uses format ${rule}`);
    return typeof value !== "string" || format.test(value);
  },
  minLength: (rule, value) => typeof value !== "string" || [...value].length >= (rule as number),
  maxLength: (rule, value) => typeof value !== "string" || [...value].length <= (rule as number),
  minimum: (rule, value) => typeof value !== "number" || value >= (rule as number),
  maximum: (rule, value) => typeof value !== "number" || value <= (rule as number),
  minItems: (rule, value) => !Array.isArray(value) || value.length >= (rule as number),
  maxItems: (rule, value) => !Array.isArray(value) || value.length <= (rule as number),
};
