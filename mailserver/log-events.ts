/**
 * Every event that the daemons log. The codes are stable: dashboards and alerts may rely on them. Add one here
 * before using it; the text is its documentation.
 */
export const LOG_EVENTS = {
  "daemon.ready": "The daemon listens",
  "daemon.stopping": "A signal asked the daemon to end; transactions may finish",
  "daemon.stopped": "The daemon ended in good order",
  "daemon.failed": "The daemon could not start or go on",
  "worker.started": "A worker process serves",
  "worker.ended": "A worker process ended unasked; another takes its place after a pause",
  "worker.hung": "A worker process gave no sign of life and was killed",
  "net.refused": "A connection above a limit was answered 421",
  "net.gate.failed": "Whether a client may be let in could not be decided; its connection was closed",
  "net.proxy.failed": "A load balancer did not say whom it speaks for",
  "net.tls.failed": "A TLS hand-shake failed",
  "net.tls.loaded": "The certificate that is served was read",
  "net.tls.reloaded": "The files hold another certificate; it is served from now on",
  "net.tls.unusable": "The files hold no usable certificate with its key; the one before is served on",
  "tls.policy.violated":
    "A mail host does not do what DANE or MTA-STS asks for; it gets no mail (by `testing: true`: it gets it all the same)",
  "tls.policy.fetched": "An MTA-STS policy was fetched and is kept until it expires",
  "tls.policy.unavailable":
    "An MTA-STS policy could not be fetched; the one that is known stays in force until it expires",
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
  "smtp.auth.revoked": "The person was removed or changed since they logged in; their session was ended",
  "smtp.sending.limited": "A person has reached a sending limit; their message was answered 450",
  "smtp.message.accepted": "A message was answered 2xx",
  "smtp.message.refused": "A message was answered 4xx or 5xx",
  "smtp.policy.error": "A policy failed unexpectedly; the client was answered 451",
  "smtp.sender.checked": "SPF, DKIM and DMARC were looked at",
  "directory.connected": "The directory answers",
  "directory.unavailable": "The directory could not be asked",
  "lmtp.delivered": "The box took a message",
  "lmtp.refused": "The box refused a message",
  "lmtp.unreachable": "The box could not be reached",
  "forward.accepted": "The relay took a forwarded message",
  "forward.failed": "A forward address is none, or the relay refused a forwarded message",
  "relay.unreachable": "smtp-out could not be reached",
  "queue.accepted": "A message is durable in the queue",
  "queue.started": "The queue was opened; items found",
  "queue.attempt": "A delivery is tried",
  "queue.delivered": "A recipient is done",
  "queue.deferred": "A recipient is tried again later",
  "queue.failed": "A recipient failed for good",
  "queue.item.unreadable": "A queue item could not be read and was set aside",
  "queue.error": "The queue could not do its work",
  "dsn.queued": "A delivery status notification was queued",
  "dsn.suppressed": "No notification: the reverse-path was null, as a notification's own is",
  "dsn.withheld":
    "No notification: neither SPF nor DKIM vouches for the sender's address, so it may be a stranger's",
  "dns.failed": "A DNS look-up failed",
} as const satisfies Record<string, string>;

/** A code of `LOG_EVENTS`. */
export type LogEvent = keyof typeof LOG_EVENTS;
