/** The words of delivery status notifications, by language: what happened, and what to do. Pure. */
import type { Language } from "../contract.ts";
import type { Owed } from "../queue/item.ts";

/** What is said of a recipient. `expired`: a failure for want of time. */
export type Fate = Owed | "expired";

export interface Notices {
  readonly sender: string;
  readonly subject: Readonly<Record<Owed, string>>;
  readonly intro: (hostname: string) => string;
  /** Above the recipients of one fate. */
  readonly heading: Readonly<Record<Fate, string>>;
  /** Before a server's words; `host` is absent when they are our own. */
  readonly answer: (host: string | undefined) => string;
  /** What to do, the first that fits the status. */
  readonly advice: readonly (readonly [status: RegExp, text: string])[];
  readonly delayed: (until: string) => string;
  readonly others: string;
  readonly attached: Readonly<Record<"header" | "message", string>>;
  /** Dates are written so. */
  readonly locale: string;
}

const en: Notices = {
  sender: "Mail Delivery System",
  subject: {
    failed: "Undelivered mail returned to sender",
    delayed: "Your message is delayed",
    delivered: "Your message was delivered",
    relayed: "Your message was passed on",
  },
  intro: (hostname) => `This is the mail server ${hostname}.`,
  heading: {
    failed: "Your message was NOT delivered to:",
    expired: "Your message was NOT delivered; we tried for days and have given up:",
    delayed: "Your message has not reached these recipients yet; we keep trying:",
    delivered: "Your message was delivered to the mailbox of:",
    relayed: "Your message was passed on to a mail server that does not confirm delivery, for:",
  },
  answer: (host) => (host === undefined ? "The reason:" : `The mail server ${host} answered:`),
  advice: [
    [/^5\.1\.[1-3]$/, "Check the address for typing errors, and send the message again to the right one."],
    [/^5\.1\.|^5\.4\./, "Check what stands behind the @: no mail can be sent there as it is written."],
    [/^\d\.2\.2$/, "The mailbox is full: ask the recipient in another way to make room, then send it again."],
    [/^5\.2\.3$|^5\.3\.4$/, "The message is too large: send it without its attachments, or a link to them."],
    [
      /^5\.7\./,
      "The server refuses it by a rule of its own: ask the recipient in another way, or their postmaster.",
    ],
    [/^5\.6\./, "The server can't take this kind of message: send it as plain text, to a plain address."],
    [/^4\./, "Reach the recipient in another way, or send the message again later."],
    [/^/, "Ask the recipient in another way, or send the message again later."],
  ],
  delayed: (until) =>
    `You need not do anything: do not send it again. We go on until ${until}, and tell you if that was in vain.`,
  others: "Other recipients, if there were any, are not concerned.",
  attached: {
    header: "The header of your message is attached.",
    message: "Your message is attached.",
  },
  locale: "en-GB",
};

const fr: Notices = {
  sender: "Système de messagerie",
  subject: {
    failed: "Message non remis, retour à l'expéditeur",
    delayed: "Votre message est retardé",
    delivered: "Votre message a été remis",
    relayed: "Votre message a été transmis",
  },
  intro: (hostname) => `Ici le serveur de messagerie ${hostname}.`,
  heading: {
    failed: "Votre message n'a PAS été remis à :",
    expired: "Votre message n'a PAS été remis ; après plusieurs jours d'essais, nous avons abandonné :",
    delayed: "Votre message n'est pas encore arrivé chez ces destinataires ; nous continuons d'essayer :",
    delivered: "Votre message a été remis dans la boîte de :",
    relayed: "Votre message a été transmis à un serveur qui ne confirme pas la remise, pour :",
  },
  answer: (host) => (host === undefined ? "La raison :" : `Le serveur ${host} a répondu :`),
  advice: [
    [/^5\.1\.[1-3]$/, "Vérifiez l'adresse (fautes de frappe) et renvoyez le message à la bonne adresse."],
    [/^5\.1\.|^5\.4\./, "Vérifiez ce qui suit le @ : tel quel, aucun courrier ne peut y être envoyé."],
    [
      /^\d\.2\.2$/,
      "La boîte est pleine : prévenez le destinataire par un autre moyen, puis renvoyez le message.",
    ],
    [
      /^5\.2\.3$|^5\.3\.4$/,
      "Le message est trop gros : envoyez-le sans pièces jointes, ou avec un lien vers elles.",
    ],
    [
      /^5\.7\./,
      "Le serveur le refuse par une règle qui lui est propre : voyez avec le destinataire ou son postmaster.",
    ],
    [
      /^5\.6\./,
      "Le serveur ne prend pas ce genre de message : envoyez-le en texte simple, à une adresse simple.",
    ],
    [/^4\./, "Joignez le destinataire par un autre moyen, ou renvoyez le message plus tard."],
    [/^/, "Voyez avec le destinataire par un autre moyen, ou renvoyez le message plus tard."],
  ],
  delayed: (until) =>
    `Vous n'avez rien à faire : ne le renvoyez pas. Nous essayons jusqu'au ${until} et vous dirons si c'était en vain.`,
  others: "Les autres destinataires éventuels ne sont pas concernés.",
  attached: {
    header: "L'en-tête de votre message est joint.",
    message: "Votre message est joint.",
  },
  locale: "fr-FR",
};

export const NOTICES: Readonly<Record<Language, Notices>> = { en, fr };
