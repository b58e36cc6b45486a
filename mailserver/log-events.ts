/**
 * Every event that the daemons log. The codes are stable: dashboards and alerts may rely on them. Add one here
 * before using it; the text is its documentation.
 */
export const LOG_EVENTS = {
  "operator.accepted": "A person's request was taken",
  "operator.done": "The stack is as the request asked; `ms` is how long that took since it was asked",
  "operator.failed": "A request failed; what it changed is taken back",
  "operator.update.failed": "An update of the stack failed",
  "operator.ran": "Pulumi updated the stack for a request; `ms` is how long that took",
  "operator.unprepared": "Pulumi could not be loaded ahead of a request; the request loads it",
  "operator.left":
    "What a failed request changed is left as it is: somebody else changed that person's lines of the stack file since. Run `npm run up`",
  "operator.undo.failed": "What a failed request changed could not be taken back yet; it is tried again",
  "operator.recovered": "A request was found unfinished at start; it is finished or taken back",
  "operator.journal.damaged": "A file of the journal could not be read and was set aside",
  "operator.journal.failed":
    "What has come of a request could not be written down, as on a full disk; it is tried again",
  "operator.commit.failed": "The stack file was changed, but the change could not be committed",
  "backup.saved": "A snapshot of a mailbox, or of the directory, was taken",
  "backup.failed": "A mailbox, or the directory, could not be saved: why, and what to do; it is tried again",
  "backup.waiting": "When everything is saved next, when it last was, and what failed since",
  "daemon.ready": "The daemon listens",
  "daemon.stopping": "A signal asked the daemon to end; transactions may finish",
  "daemon.stopped": "The daemon ended in good order",
  "daemon.failed": "The daemon could not start or go on",
  "worker.started": "A worker process serves",
  "worker.ended": "A worker process ended unasked; another takes its place after a pause",
  "worker.failed":
    "A worker process could not do what the one that watches asked of it, such as count its queue",
  "worker.hung": "A worker process gave no sign of life and was killed",
  "net.refused": "A connection above a limit was answered 421",
  "net.gate.failed": "Whether a client may be let in could not be decided; its connection was closed",
  "net.proxy.failed": "A load balancer did not say whom it speaks for",
  "net.tls.failed": "A TLS hand-shake failed",
  "net.tls.loaded": "The certificate that is served was read",
  "net.tls.reloaded": "The files hold another certificate; it is served from now on",
  "net.tls.unusable": "The files hold no usable certificate with its key; the one before is served on",
  "certificate.own":
    "There is no good certificate of the authority (yet); the stack's own is served from now on",
  "certificate.kept": "A good certificate is served; until when, and when the next is ordered",
  "certificate.ordered": "The authority is asked for a certificate, and why",
  "certificate.without":
    "Names of a domain that is given up could not be proven: why; a certificate without them is ordered",
  "certificate.issued": "The authority issued a certificate; it is served from now on",
  "certificate.failed":
    "No certificate could be had: why, what to do, and when it is tried again; the one before is served on",
  "certificate.record.left": "A challenge's record could not be taken away yet; it is tried again",
  "certificate.renewal.unknown": "The authority did not say when it would have the certificate renewed",
  "tls.policy.violated":
    "A mail host does not do what DANE or MTA-STS asks for; it gets no mail (by `testing: true`: it gets it all the same)",
  "tls.policy.fetched": "An MTA-STS policy was fetched and is kept until it expires",
  "tls.policy.unsaved": "An MTA-STS policy could not be written down; it is in force until the next restart",
  "tls.policy.unavailable":
    "An MTA-STS policy could not be fetched; the one that is known stays in force until it expires",
  "tls.report.queued": "A report about the TLS of a domain's mail hosts was queued for it (RFC 8460)",
  "tls.report.sent": "Such a report was taken by the HTTPS server that the domain names for it",
  "tls.report.failed": "Such a report could not be made or counted yet; mail flows",
  "net.host.failed":
    "A mail host could take nothing at one of its addresses: at which stage, what it said, and the error where there was one",
  "net.attempt.ended":
    "The attempt at a domain's mail hosts was late and others waited for its place or its bytes; what was not delivered is deferred",
  "net.target.closed": "A mail host has addresses to which no mail is sent (private or reserved)",
  "net.socket.error": "A connection broke",
  "smtp.session.open": "A client connected",
  "smtp.session.tls": "The session is under TLS now",
  "smtp.session.close": "The session ended",
  "smtp.command.refused": "A command was answered 4xx or 5xx",
  "smtp.auth.ok": "A user authenticated",
  "smtp.auth.failed": "An authentication was refused",
  "smtp.auth.locked":
    "No password was looked at: too many wrong ones by this client; smtp.auth.failed follows",
  "smtp.auth.unsaved":
    "A failed or a good login could not be written down; it counts until the next restart of the daemon",
  "smtp.auth.revoked": "The person was removed or changed since they logged in; their session was ended",
  "access.auth.failed": "A password was refused at `access` (IMAP, POP3, ManageSieve)",
  "access.auth.locked": "No password was looked at there: too many wrong ones by this client",
  "access.auth.busy":
    "No password was looked at there: so many logins of that name or network were under way for two seconds, or so many waited for them",
  "access.question.refused": "What `access` asks the login guard was not of it, or not understood",
  "smtp.sending.limited":
    "A person has reached a sending limit; the sender, a recipient or the message was answered 450 or 452",
  "smtp.message.accepted": "A message was answered 2xx",
  "smtp.message.refused": "A message was answered 4xx or 5xx",
  "smtp.policy.error": "A policy failed unexpectedly; the client was answered 451",
  "smtp.sender.checked": "SPF, DKIM and DMARC were looked at",
  "directory.connected": "The directory answers",
  "directory.asked":
    "A question to the directory was answered or failed, and how long it took (level `debug`)",
  "directory.unavailable": "The directory could not be asked",
  "lmtp.delivered": "The box took a message",
  "lmtp.refused": "The box refused a message",
  "lmtp.unreachable": "The box could not be reached",
  "reply.queued": "A person's script answered a sender; the reply is durable in the queue",
  "reply.dropped": "A box wanted to send what no reply is, or in another's name; it was thrown away",
  "reply.unreachable": "The replies of a box could not be fetched",
  "forward.accepted": "The relay took a forwarded message",
  "forward.failed": "A forward address is none, or the relay refused a forwarded message",
  "forward.withheld": "A message was left out of a person's forward; their box has it",
  "forward.unsealed": "A forwarded message leaves without an ARC seal of ours",
  "forward.bounced": "A bounce of a forwarded message was taken, or refused as forged or too old",
  "relay.unreachable": "smtp-out could not be reached",
  "queue.accepted": "A message is durable in the queue",
  "queue.started": "The queue was opened; items found",
  "queue.delivered": "A recipient is done",
  "queue.deferred": "A recipient is tried again later",
  "queue.failed": "A recipient failed for good",
  "queue.stranded":
    "A message for a person here can't be delivered, and its sender can't be told: it is held until somebody releases or drops it",
  "queue.item.unreadable": "A queue item could not be read and was set aside",
  "queue.desk": "Somebody changed what waits in the queue",
  "queue.desk.failed": "Nobody can look into the queue; mail flows",
  "queue.error": "The queue could not do its work",
  "file.damaged":
    "A file beside the queue (limits, MTA-STS policies, TLS reports) could not be read: it was set aside as `aside`, and is begun anew",
  "file.unusable":
    "Such a file can't be written, as on a full disk: the daemon works with a copy in memory, and what comes into that is forgotten at its next start (by `copied: false`: the file could not be read either, and all counts begin anew)",
  "dsn.queued": "A delivery status notification was queued",
  "dsn.suppressed": "No notification: the reverse-path was null, as a notification's own is",
  "dsn.withheld":
    "No notification: neither SPF nor DKIM vouches for the sender's address, so it may be a stranger's",
  "portal.signed-in": "A person signed in to the portal",
  "portal.refused": "A sign-in or a password typed again at the portal was wrong",
  "portal.locked": "No password was looked at: too many wrong ones by this client",
  "portal.gone": "A session ended: its person is no longer in the directory",
  "portal.signed-out": "A person ended their session, or all their others",
  "portal.forged": "A form did not come from the portal's own page and was refused",
  "portal.asked": "A person asked for a change; the operator took it",
  "portal.password": "A person changed their password",
  "portal.test-mail": "A person had a test mail sent to themselves",
  "portal.test-mail.failed": "A test mail could not be handed to smtp-out",
  "portal.guard.unsaved":
    "What is known of wrong passwords could not be written down; it holds until the next restart",
  "portal.failed": "A page could not be made",
  "dns.failed": "A DNS look-up failed",
} as const satisfies Record<string, string>;

/** A code of `LOG_EVENTS`. */
export type LogEvent = keyof typeof LOG_EVENTS;
