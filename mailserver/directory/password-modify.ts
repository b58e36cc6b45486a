/**
 * The Password Modify extended operation (RFC 3062): what it carries is a password, whatever it looks like, and the
 * server hashes it. A modify of `userPassword` would take a value such as `{CRYPT}$6$rounds=999999999$…` for a hash,
 * and each login by that name would then cost the directory what its person chose. Pure.
 */

/** RFC 3062 section 2. */
export const PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1";

const SEQUENCE = 0x30;
/** `newPasswd [2] OCTET STRING`, implicitly tagged. */
const NEW_PASSWORD = 0x82;

/** PasswdModifyRequestValue without userIdentity, which means: of the user who is bound (RFC 3062 section 2). */
export function ownPasswordTo(wanted: string): Buffer {
  return element(SEQUENCE, element(NEW_PASSWORD, Buffer.from(wanted, "utf8")));
}

/** An element in BER, its length in the short form or in two octets (X.690 section 8.1.3). */
function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}
