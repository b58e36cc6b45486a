/**
 * Every metric of the daemons. Names and labels are stable: dashboards and alerts may rely on them. What a worker process
 * of smtp-in counted has its number as label `worker` too.
 */

interface Described {
  readonly help: string;
  readonly labels: readonly string[];
}

/** Counts since the process began. */
export const COUNTERS = {
  semail_events_total: { help: "Events, by the code under which they are logged", labels: ["event"] },
  semail_refusals_total: { help: "Commands and messages answered 4xx or 5xx", labels: ["code", "status"] },
  semail_recipients_total: {
    help: "Recipients of messages that were answered 2xx or refused",
    labels: ["outcome"],
  },
  semail_message_bytes_total: { help: "Bytes of the messages that were answered 2xx", labels: [] },
  semail_worker_restarts_total: {
    help: "Worker processes that ended unasked and were replaced",
    labels: ["worker"],
  },
} as const satisfies Record<string, Described>;

/** Seconds, as histograms. */
export const TIMES = {
  semail_message_seconds: { help: "From the end of a message to its reply", labels: ["outcome"] },
  semail_delivery_seconds: { help: "One delivery into a box over LMTP", labels: ["outcome"] },
  semail_directory_seconds: {
    help: "One question to the directory: a `search` (whose address, who still is a person) or a `bind` (a password); `outcome` is `answered` or `failed`",
    labels: ["operation", "outcome"],
  },
} as const satisfies Record<string, Described>;

/** Values of this moment. */
export const GAUGES = {
  semail_sessions: { help: "Sessions of clients that are open", labels: [] },
  semail_room_bytes: {
    help: "Memory for messages that are being received, of each process: what finds none is answered 452",
    labels: [],
  },
  semail_room_held_bytes: { help: "Of it, held by messages", labels: [] },
  semail_queue_items: { help: "Messages in the durable queue", labels: [] },
  semail_queue_deferred: { help: "Of them, with a recipient that was tried in vain and waits", labels: [] },
  semail_queue_held: { help: "Of them, with a recipient that waits to be released", labels: [] },
  semail_queue_age_seconds: { help: "Age of the oldest of them; 0 when there is none", labels: [] },
  semail_queue_unreadable: {
    help: "Messages of the queue that could not be read and were set aside",
    labels: [],
  },
  semail_disk_free_bytes: {
    help: "Free on the file system of the queue: near its end mail is answered 452, and everything else on it stops",
    labels: [],
  },
  semail_disk_bytes: { help: "Size of that file system", labels: [] },
  semail_workers_serving: { help: "Worker processes that serve", labels: [] },
  semail_certificate_expires_seconds: {
    help: "When the certificate that is served ends, in seconds since 1970",
    labels: ["file"],
  },
  semail_certificate_issued_seconds: {
    help: "When the authority issued a certificate last, in seconds since 1970",
    labels: [],
  },
  semail_certificate_failed_seconds: {
    help: "When the last attempt to get a certificate failed, in seconds since 1970; 0: it did not",
    labels: [],
  },
  semail_backup_saved_seconds: {
    help: "When the last run of the backup ended that saved everything, in seconds since 1970; 0: there was none",
    labels: [],
  },
  semail_backup_unsaved: {
    help: "Mailboxes that the last run of the backup could not save, the directory counted as one",
    labels: [],
  },
} as const satisfies Record<string, Described>;

/** Upper bounds in seconds: a box on a good day, on a bad one, and the limits of DNS and LMTP. */
export const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
