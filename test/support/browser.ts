/** A browser without a screen: cookies, redirects and forms, as far as the hosted pages need one. No JavaScript. */
import type { Answer, CallOptions } from "./server.ts";

/** Somewhere to send requests to: a server of the test, or a program that runs by itself. */
export interface Site {
  /** Its origin. */
  readonly base: string;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

export interface Form {
  readonly action: string;
  readonly method: string;
  /** What would be sent without touching anything, buttons left out. */
  readonly fields: Readonly<Record<string, string>>;
  /** Every control of it by its id. */
  readonly controls: Readonly<Record<string, { name: string; value: string; isButton: boolean }>>;
}

export interface Screen {
  readonly status: number;
  /** Of the last request. */
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
  /** Where the last answer leads, when that is not the provider: the client's callback. Byte for byte. */
  readonly location: string | undefined;
  /** The paths on the way, from the first request to this. */
  readonly visited: readonly string[];
  readonly forms: readonly Form[];
}

interface Cookie {
  readonly value: string;
  readonly path: string;
  readonly sameSite: string;
}

/** Where a cross-site form would come from. */
const ELSEWHERE = "https://app.example";
const MAX_REDIRECTS = 10;
const HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

export class Browser {
  readonly cookies = new Map<string, Cookie>();

  constructor(
    private readonly site: Site,
    /** Sent with every request. */
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  /** Follows a link from another site, as an application sends its users here. */
  open(url: string): Promise<Screen> {
    return this.#go("GET", url, undefined, true);
  }

  /** Follows a link of the provider's own, or types an address in. */
  visit(url: string): Promise<Screen> {
    return this.#go("GET", url, undefined, false);
  }

  /** Posts a form from another site: Lax and Strict cookies stay at home (RFC 6265bis §5.6.7.1). */
  postFrom(url: string, fields: Readonly<Record<string, string>>): Promise<Screen> {
    return this.#go("POST", url, new URLSearchParams(fields), true);
  }

  /** Types `values` into the controls of these ids and presses the button `id`. */
  submit(screen: Screen, id: string, values: Readonly<Record<string, string>> = {}) {
    const form = screen.forms.find((one) => id in one.controls);
    if (!form)
      throw new Error(
        `${screen.status} ${screen.url} has no #${id}: ${screen.body.slice(0, 2_000)}`,
      );
    const fields = new URLSearchParams(form.fields);
    for (const [control, value] of Object.entries(values)) {
      const found = form.controls[control];
      if (!found) throw new Error(`${screen.url}: no #${control} beside #${id}`);
      fields.set(found.name, value);
    }
    const button = form.controls[id]!;
    if (button.name !== "") fields.set(button.name, button.value);
    const target = new URL(form.action, screen.url).href;
    if (form.method === "GET") return this.visit(`${target.split("?", 1)[0]}?${fields}`);
    return this.#go("POST", target, fields, false);
  }

  signIn(screen: Screen, user: { email: string; password: string }): Promise<Screen> {
    return this.submit(screen, "login-submit", { email: user.email, password: user.password });
  }

  allow = (screen: Screen): Promise<Screen> => this.submit(screen, "consent-allow");
  deny = (screen: Screen): Promise<Screen> => this.submit(screen, "consent-deny");

  /** A call to the API with this browser's cookies, as a page's script makes it: after a GET for the CSRF cookie. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const csrf = this.cookies.get("qe_csrf")?.value;
    const headers = {
      ...this.headers,
      ...this.#cookieHeader(path, method, false),
      ...(method !== "GET" && { origin: this.site.base }),
      ...(method !== "GET" && csrf !== undefined && { "x-csrf-token": csrf }),
      ...options.headers,
    };
    const answer = await this.site.call(method, path, { ...options, headers });
    this.#keep(answer.headers);
    return answer;
  }

  async #go(
    firstMethod: string,
    firstUrl: string,
    firstForm: URLSearchParams | undefined,
    fromElsewhere: boolean,
  ): Promise<Screen> {
    const { base } = this.site;
    const visited: string[] = [];
    let [method, url, form] = [firstMethod, new URL(firstUrl, base).href, firstForm];
    for (;;) {
      const path = url.slice(base.length);
      visited.push(path);
      const answer = await this.site.call(method, path, {
        ...(form && { body: form.toString() }),
        headers: {
          accept: HTML,
          ...this.headers,
          ...this.#cookieHeader(path, method, fromElsewhere),
          ...(form && {
            "content-type": "application/x-www-form-urlencoded",
            origin: fromElsewhere ? ELSEWHERE : base,
            "sec-fetch-site": fromElsewhere ? "cross-site" : "same-origin",
          }),
        },
      });
      this.#keep(answer.headers);
      const { status, headers } = answer;
      const location = headers.get("location") ?? undefined;
      const target = location === undefined ? undefined : new URL(location, url).href;
      const isHere = target !== undefined && (target === base || target.startsWith(`${base}/`));
      if (status < 300 || status > 399 || !isHere) {
        const body = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
        const isHtml = headers.get("content-type")?.startsWith("text/html") ?? false;
        const forms = isHtml ? await formsOf(body) : [];
        return { status, url, headers, body: body ?? "", location, visited, forms };
      }
      if (visited.length > MAX_REDIRECTS) throw new Error(`it never ends: ${visited.join(" → ")}`);
      url = target;
      // RFC 9110 §15.4: 303 asks with GET, and so does 302 in every browser; 307 and 308 repeat the request.
      if (status < 304) [method, form] = ["GET", undefined];
    }
  }

  #cookieHeader(path: string, method: string, fromElsewhere: boolean): Record<string, string> {
    const sent = [...this.cookies].filter(
      ([, cookie]) =>
        path.startsWith(cookie.path) &&
        !(fromElsewhere && (cookie.sameSite === "strict" || method !== "GET")),
    );
    if (sent.length === 0) return {};
    return { cookie: sent.map(([name, { value }]) => `${name}=${value}`).join("; ") };
  }

  #keep(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const at = pair.indexOf("=");
      const of = (name: string) =>
        attributes.find((one) => one.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1);
      const name = pair.slice(0, at);
      if (of("max-age") === "0") this.cookies.delete(name);
      else
        this.cookies.set(name, {
          value: pair.slice(at + 1),
          path: of("path") ?? "/",
          sameSite: of("samesite")?.toLowerCase() ?? "lax",
        });
    }
  }
}

async function formsOf(html: string): Promise<Form[]> {
  const forms: {
    action: string;
    method: string;
    fields: Record<string, string>;
    controls: Record<string, { name: string; value: string; isButton: boolean }>;
  }[] = [];
  const attribute = (element: HTMLRewriterTypes.Element, name: string) =>
    decode(element.getAttribute(name) ?? "");
  const rewriter = new HTMLRewriter()
    .on("form", {
      element: (form) => {
        const method = (form.getAttribute("method") ?? "get").toUpperCase();
        forms.push({ action: attribute(form, "action"), method, fields: {}, controls: {} });
      },
    })
    .on("form input, form button, form select, form textarea", {
      element: (control) => {
        const form = forms.at(-1)!;
        const [name, value, id, type] = ["name", "value", "id", "type"].map((one) =>
          attribute(control, one),
        ) as [string, string, string, string];
        const isButton = control.tagName === "button" || type === "submit";
        if (id !== "") form.controls[id] = { name, value, isButton };
        const isChoice = type === "checkbox" || type === "radio";
        if (!isButton && name !== "" && !(isChoice && control.getAttribute("checked") === null))
          form.fields[name] = value;
      },
    });
  await rewriter.transform(new Response(html)).text();
  return forms;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#x27": "'" };
const decode = (text: string) => text.replace(/&(#?\w+);/g, (all, name) => ENTITIES[name] ?? all);
