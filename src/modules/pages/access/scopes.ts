/** What a scope stands for, in words for the person who is asked. */
import type { Language, Translated } from "../../../platform/pages/language.ts";
import {
  descriptionOf,
  foldKey,
  PERMISSIONS,
  type Permission,
} from "../../../platform/permissions.ts";

const STANDARD = ["openid", "profile", "email", "address", "phone", "offline_access"] as const;
type Standard = (typeof STANDARD)[number];

const SCOPES: Translated<Record<Standard, string>> = {
  en: {
    openid: "Recognise you when you come back",
    profile: "See your name, your picture and the rest of your profile",
    email: "See your e-mail address",
    address: "See your postal address",
    phone: "See your phone number",
    offline_access: "Keep this access while you are away, until you take it back",
  },
  de: {
    openid: "Sie wiedererkennen, wenn Sie zurückkommen",
    profile: "Ihren Namen, Ihr Bild und Ihr übriges Profil sehen",
    email: "Ihre E-Mail-Adresse sehen",
    address: "Ihre Postanschrift sehen",
    phone: "Ihre Telefonnummer sehen",
    offline_access: "Diesen Zugriff behalten, während Sie weg sind, bis Sie ihn zurücknehmen",
  },
};

/** The catalogue is in English; these are its descriptions for those who read German. */
const GERMAN: Record<Permission, string> = {
  "analytics.read": "Auswertungen der Anmeldungen lesen",
  "apikey.read": "API-Schlüssel und Dienstkonten auflisten",
  "apikey.write": "API-Schlüssel und Dienstkonten anlegen und widerrufen",
  "audit.read": "Das Prüfprotokoll lesen und prüfen",
  "audit.write": "Einstellungen des Prüfprotokolls ändern (vorgesehen)",
  "billing.read": "Abonnement und Rechnungen lesen",
  "billing.write": "Das Abonnement ändern",
  "branding.write": "Erscheinungsbild und E-Mail-Vorlagen ändern",
  "connection.read":
    "OIDC-Anwendungen und Verbindungen über SAML, LDAP, SCIM und soziale Netze lesen",
  "connection.write":
    "OIDC-Anwendungen und Verbindungen über SAML, LDAP, SCIM und soziale Netze ändern",
  "gdpr.write": "Löschungen beantragen, auflisten und abbrechen",
  "group.read": "Gruppen und ihre Mitglieder lesen",
  "group.write": "Gruppen und ihre Mitglieder ändern",
  "policy.read": "Sicherheitsrichtlinien, IP-Regeln und Aufbewahrung lesen",
  "policy.write": "Sicherheitsrichtlinien, IP-Regeln und Aufbewahrung ändern",
  "role.read": "Rollen, Zuweisungen und Rechte anderer lesen",
  "role.write": "Rollen anlegen, Rechte vergeben, Rollen zuweisen",
  "secret.read": "Geheimnisse im Tresor auflisten, ohne ihre Werte",
  "secret.write": "Geheimnisse im Tresor anlegen, erneuern, löschen und anzeigen",
  "tenant.read": "Angaben zur Organisation und E-Mail-Vorlagen lesen",
  "tenant.write": "Die Organisation ändern oder löschen",
  "user.read": "Konten, gelöschte Konten und Einladungen lesen",
  "user.write": "Konten anlegen, ändern, löschen und wiederherstellen, einladen, Sitzungen beenden",
  "webhook.read": "Webhooks auflisten",
  "webhook.write": "Webhooks ändern",
};

const isStandard = (scope: string): scope is Standard =>
  (STANDARD as readonly string[]).includes(scope);
const isPermission = (key: string): key is Permission =>
  (PERMISSIONS as readonly string[]).includes(key);

/** `words` for a scope that we know; the scope itself, as `raw`, for one that only its client does. */
export type ScopeText = { readonly words: string } | { readonly raw: string };

export function textOfScope(scope: string, language: Language): ScopeText {
  if (isStandard(scope)) return { words: SCOPES[language][scope] };
  const key = foldKey(scope);
  if (!isPermission(key)) return { raw: scope };
  return { words: language === "de" ? GERMAN[key] : descriptionOf(key) };
}

/** In the order above, then the client's own as it asked for them. */
export const inOrder = (scopes: readonly string[]): string[] => [
  ...STANDARD.filter((scope) => scopes.includes(scope)),
  ...scopes.filter((scope) => !isStandard(scope)),
];

/** Single details that a request may name (OpenID Connect Core §5.1); others are shown by their name. */
const ENGLISH_CLAIMS = {
  name: "name",
  given_name: "first name",
  family_name: "last name",
  middle_name: "middle name",
  nickname: "nickname",
  preferred_username: "user name",
  profile: "profile page",
  picture: "picture",
  website: "website",
  gender: "gender",
  birthdate: "date of birth",
  zoneinfo: "time zone",
  locale: "language",
  updated_at: "time of the last change",
  email: "e-mail address",
  email_verified: "whether the e-mail address is confirmed",
  phone_number: "phone number",
  phone_number_verified: "whether the phone number is confirmed",
  address: "postal address",
};
const CLAIMS: Translated<Record<keyof typeof ENGLISH_CLAIMS, string>> = {
  en: ENGLISH_CLAIMS,
  de: {
    name: "Name",
    given_name: "Vorname",
    family_name: "Nachname",
    middle_name: "zweiter Vorname",
    nickname: "Spitzname",
    preferred_username: "Benutzername",
    profile: "Profilseite",
    picture: "Bild",
    website: "Website",
    gender: "Geschlecht",
    birthdate: "Geburtsdatum",
    zoneinfo: "Zeitzone",
    locale: "Sprache",
    updated_at: "Zeitpunkt der letzten Änderung",
    email: "E-Mail-Adresse",
    email_verified: "ob die E-Mail-Adresse bestätigt ist",
    phone_number: "Telefonnummer",
    phone_number_verified: "ob die Telefonnummer bestätigt ist",
    address: "Postanschrift",
  },
};

const isClaim = (name: string): name is keyof typeof ENGLISH_CLAIMS =>
  Object.hasOwn(ENGLISH_CLAIMS, name);

/** `names` as a request has them, `userinfo.birthdate`: once each, in words. */
export function textOfClaims(names: readonly string[], language: Language): string[] {
  const claims = names.map((name) => name.slice(name.indexOf(".") + 1));
  return [...new Set(claims)].map((claim) => (isClaim(claim) ? CLAIMS[language][claim] : claim));
}
