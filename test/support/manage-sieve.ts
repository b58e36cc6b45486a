/** A client of ManageSieve (RFC 5804), logged in through `access`. */
import { openDialogue } from "../integration/images/dialogue.ts";

export interface ManageSieve {
  /** Settles with what was said before the answer, and the answer as the last line. */
  command(text: string): Promise<string[]>;
  /** Uploads a script; the whole answer, with the text of a refusal. */
  put(name: string, script: string): Promise<string>;
  /** Uploads it and makes it the one that runs; throws when it is refused. */
  run(script: string): Promise<void>;
  close(): void;
}

export interface SieveAccess {
  /** On loopback. */
  readonly port: number;
  readonly ca: string;
  readonly servername: string;
  readonly user: string;
  readonly pass: string;
}

export async function openManageSieve(access: SieveAccess): Promise<ManageSieve> {
  const { port, ca, servername, user, pass } = access;
  const dialogue = await openDialogue(port);
  const answer = () => dialogue.until(/^(OK|NO|BYE)\b/);
  const command = async (text: string) => {
    dialogue.send(`${text}\r\n`);
    const lines = await answer();
    // The text of a refusal may be a literal.
    const last = lines.at(-1) ?? "";
    const literal = /\{(\d+)\}$/.exec(last);
    for (let left = Number(literal?.[1] ?? 0); left > 0; ) {
      const line = await dialogue.line();
      left -= line.length + 2;
      lines.push(line);
    }
    // One ends the line of a literal.
    return lines.filter((line) => line !== "");
  };
  await answer();
  await command("STARTTLS");
  await dialogue.startTls({ ca, servername });
  await answer();
  const login = Buffer.from(`\0${user}\0${pass}`).toString("base64");
  const said = (await command(`AUTHENTICATE "PLAIN" "${login}"`)).join("\n");
  if (!said.startsWith("OK")) throw new Error(said);
  const put = async (name: string, script: string) =>
    (await command(`PUTSCRIPT "${name}" {${Buffer.byteLength(script)}+}\r\n${script}`)).join("\n");
  return {
    command,
    put,
    async run(script) {
      for (const done of [await put("main", script), (await command('SETACTIVE "main"')).join("\n")])
        if (!done.startsWith("OK")) throw new Error(done);
    },
    close: dialogue.close,
  };
}
