/** The Pulumi program: the mail system that `Pulumi.<stack>.yaml` asks for. */
import log from "@pulumi/pulumi/log/index.js";
import { program } from "./stacks/program.ts";

// The SDK takes a stack trace for each of its promises, hundreds per resource, in case one leaks: two thirds of the
// time of a large preview. A wrong config is told by path, not by trace; who looks for a fault switches them on.
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS) Error.stackTraceLimit = 0;

// And it tells the engine three things of each resource, one after the other and each by a call of its own, which
// `pulumi --debug` alone shows: a quarter of its time. With this variable it does.
if (!process.env.SEMAIL_SDK_MESSAGES) Object.assign(log, { debug: async () => {} });

export const { summary, dkim, mailboxes, formerHolders, dns, basis, records } = await program({
  now: () => new Date(),
});
