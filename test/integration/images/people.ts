import { SERVICE_PASSWORD } from "./images.ts";

/** An entry as the product writes it; the password is `password of <uid>`. */
export function person(uid: string): Record<string, string | string[]> {
  return {
    objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
    uid,
    cn: uid,
    sn: uid,
    mail: `${uid}@semail.test`,
    mailLocalAddress: [
      `${uid}@semail.test`,
      `${uid}.b@semail.test`,
      `o'${uid}!#$%&*/=?^_\`{|}~-@semail.test`,
    ],
    mailHost: `box-${uid}`,
    userPassword: `password of ${uid}`,
  };
}

/** An entry of who has no mailbox, as the product writes it. */
export function withoutMailbox(uid: string): Record<string, string | string[]> {
  return { objectClass: ["inetOrgPerson"], uid, cn: uid, sn: uid, userPassword: `password of ${uid}` };
}

/** The account of a service. */
export function service(cn: string): Record<string, string | string[]> {
  return { objectClass: ["organizationalRole", "simpleSecurityObject"], cn, userPassword: SERVICE_PASSWORD };
}
