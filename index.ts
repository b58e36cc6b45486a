/** The Pulumi program: the mail system that `Pulumi.<stack>.yaml` asks for. */
import { program } from "./stacks/program.ts";

// The SDK takes a stack trace for each of its promises, hundreds per resource, in case one leaks: two thirds of the
// time of a large preview. A wrong config is told by path, not by trace; who looks for a fault switches them on.
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS) Error.stackTraceLimit = 0;

export const { summary, dkim, mailboxes, dns, records } = await program({ now: () => new Date() });
