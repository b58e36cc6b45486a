/** An Ed25519 public key as OpenSSH writes it: `ssh-ed25519 AAAA…` (RFC 8709 section 4). `raw`: its 32 bytes in base64. */
export function opensshKey(raw: string): string {
  const key = Buffer.from(raw, "base64");
  if (key.length !== 32) throw new RangeError(`an Ed25519 key has 32 bytes, not ${key.length}`);
  const kind = "ssh-ed25519";
  return `${kind} ${Buffer.concat([field(Buffer.from(kind)), field(key)]).toString("base64")}`;
}

/** RFC 4251 section 5: a string is its length in four bytes, then itself. */
function field(content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}
