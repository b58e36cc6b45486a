/** Distinguished names (RFC 4514). */

/** Escapes a value for use in a DN (RFC 4514 section 2.4). */
export function escapeDnValue(value: string): string {
  return value
    .replaceAll(/[\\,+"<>;=]/g, (char) => `\\${char}`)
    .replaceAll("\0", "\\00")
    .replace(/^[ #]/, (char) => `\\${char}`)
    .replace(/ $/, "\\ ");
}

/** `attribute=value,parent` with the value escaped. */
export function childDn(attribute: string, value: string, parent: string): string {
  return `${attribute}=${escapeDnValue(value)},${parent}`;
}

/** A form in which two spellings of one DN are equal, as far as case and spaces around separators go. */
export function normaliseDn(dn: string): string {
  return dn
    .trim()
    .toLowerCase()
    .replaceAll(/\s*([,=])\s*/g, "$1");
}

/** The DN of the entry above. */
export function parentDn(dn: string): string {
  return dn.replace(/^(?:\\.|[^\\,])*,/s, "");
}

/** Name of the attribute in the DN's first part, in lower case. */
export function rdnAttribute(dn: string): string {
  return dn.slice(0, dn.indexOf("=")).trim().toLowerCase();
}

/** Whether `dn` has the form of a DN; the server has the last word. */
export function isDn(dn: string): boolean {
  return /^[a-z][a-z0-9-]*=[^,]+(,\s*[a-z][a-z0-9-]*=[^,]+)*$/i.test(dn.replaceAll(/\\./g, "x"));
}
