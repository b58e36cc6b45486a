/** TXT values: bare text in programs, quoted character-strings in DNS (RFC 1035 section 5.1). Pure. */

const MAX_STRING = 255;

/** One byte inside a quoted character-string. */
function escapeByte(byte: number): string {
  if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return `\\${String(byte).padStart(3, "0")}`;
}

/** Bytes as character-strings of at most 255 bytes each (RFC 1035 section 3.3), quoted. */
export function quoteBytes(bytes: Uint8Array): string {
  const strings: string[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += MAX_STRING) {
    strings.push(`"${[...bytes.subarray(at, at + MAX_STRING)].map(escapeByte).join("")}"`);
  }
  return strings.join(" ");
}

/** Reads character-strings, quoted or not, and gives their bytes joined; undefined when they are malformed. */
export function parseStrings(text: string): Uint8Array | undefined {
  const token = /\s*(?:"((?:[^"\\]|\\\d{3}|\\[^\d])*)"|((?:[^\s"\\]|\\\d{3}|\\[^\d])+))(?=\s|"|$)\s*/uy;
  const parts: Uint8Array[] = [];
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (!match) return undefined;
    const bytes = unescapeBytes(match[1] ?? match[2] ?? "");
    if (bytes === undefined) return undefined;
    parts.push(bytes);
  }
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

function unescapeBytes(text: string): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  for (const [, decimal, char, plain] of text.matchAll(/\\(\d{3})|\\([^\d])|([^\\]+)/gsu)) {
    if (decimal !== undefined && Number(decimal) > 255) return undefined;
    parts.push(decimal === undefined ? Buffer.from(char ?? plain ?? "") : Buffer.of(Number(decimal)));
  }
  return Buffer.concat(parts);
}

/** The bytes of a TXT value: presentation format when it begins with a quote, else the text itself. */
export function txtBytes(value: string): Uint8Array | undefined {
  return value.startsWith('"') ? parseStrings(value) : Buffer.from(value);
}

/** The bare text of a value that came from DNS, unless only presentation format can say it. */
export function toText(value: string): string {
  const bytes = txtBytes(value);
  if (bytes === undefined) return value;
  const text = Buffer.from(bytes).toString();
  const faithful = Buffer.from(text).equals(bytes) && !text.startsWith('"');
  return faithful ? text : quoteBytes(bytes);
}
